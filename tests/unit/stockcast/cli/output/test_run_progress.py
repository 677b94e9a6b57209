"""Progress of a run on the terminal: its steps, messages of assets, and failures."""

from __future__ import annotations

import io

import dagster as dg
import pytest
from rich.console import Console

from core.errors import BarsError
from market.ingest.outcome import TickerOutcome
from stockcast.cli.output.progress import LOGGER_KEY, IngestProgress, RunProgress, as_logger

CONFIG = {"loggers": {LOGGER_KEY: {"config": {}}}}


def run(*assets: dg.AssetsDefinition) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    console = Console(width=100, file=io.StringIO(), record=True)
    progress = RunProgress(console)
    definitions = dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("job")],
        loggers={LOGGER_KEY: as_logger(progress)},
    )
    with progress.bar(steps=len(assets)):
        result = definitions.resolve_job_def("job").execute_in_process(
            run_config=CONFIG, raise_on_error=False
        )
    return result, [line.strip() for line in console.export_text().splitlines() if line.strip()]


@dg.asset
def chatty(context) -> None:  # noqa: ANN001  Dagster reads annotations, and these are texts
    context.log.info("3 windows published [/bold]")
    context.log.debug("for developers")
    context.log.warning("one ticker is too young")


@dg.asset
def broken() -> None:
    msg = "disk full"
    raise dg.Failure(msg)


@dg.asset(deps=[broken])
def downstream() -> None:
    pytest.fail("a step after a failed one must not run")


def test_every_step_prints_its_messages_and_its_duration() -> None:
    result, lines = run(chatty)

    assert result.success
    assert lines[0] == "chatty  3 windows published [/bold]"
    assert lines[1] == "chatty  one ticker is too young"
    assert lines[2].startswith("chatty  done in ")
    assert len(lines) == 3


def test_a_failed_step_is_printed_and_later_steps_do_not_start() -> None:
    result, lines = run(broken, downstream)

    assert not result.success
    assert [line.rpartition(" after ")[0] for line in lines] == ["broken  failed"]


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=1, delay=0.01))
def flaky(context) -> None:  # noqa: ANN001  Dagster reads annotations, and these are texts
    if context.retry_number == 0:
        msg = "no response"
        raise dg.Failure(msg)


def test_a_retry_is_printed() -> None:
    result, lines = run(flaky)

    assert result.success
    assert lines[0] == "flaky  failed; retrying in 0 s"
    assert lines[1].startswith("flaky  done in ")


def ingest_three_tickers(console: Console) -> IngestProgress:
    """Report a batch in which one ticker fails before it succeeds."""
    progress = IngestProgress(console)
    failed = TickerOutcome("IBM", "failed", 1, error=BarsError("[/red] broken"))
    with progress.bar(tickers=3):
        progress.begin(3)
        for outcome in (
            TickerOutcome("AAPL", "up_to_date", 0),
            failed,
            TickerOutcome("IBM", "nothing_new", 1),
        ):
            progress.on_outcome(outcome)
    return progress


def test_in_a_file_every_ticker_has_a_line() -> None:
    console = Console(width=100, file=io.StringIO(), record=True)

    progress = ingest_three_tickers(console)

    assert console.export_text().split("\n")[:3] == [
        "AAPL: up to date",
        "IBM: failed: [/red] broken",
        "IBM: nothing new",
    ]
    assert [(o.ticker, o.outcome) for o in progress.outcomes] == [
        ("AAPL", "up_to_date"),
        ("IBM", "nothing_new"),
    ]


def test_on_a_terminal_the_bar_moves_and_only_failures_have_a_line() -> None:
    console = Console(width=100, file=io.StringIO(), record=True, force_terminal=True)

    ingest_three_tickers(console)

    output = console.export_text()
    assert "IBM: failed: [/red] broken" in output
    assert "AAPL: up to date" not in output
    assert "2/3" in output
