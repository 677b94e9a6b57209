"""A run reports to the terminal: its steps, what assets say, and what failed."""

from __future__ import annotations

import io

import dagster as dg
import pytest
from rich.console import Console

from core.errors import BarsError
from market.ingest.batch import TickerOutcome
from stockcast.cli.progress import LOGGER_KEY, IngestProgress, RunProgress, as_logger

CONFIG = {"loggers": {LOGGER_KEY: {"config": {}}}}


def run(*assets: dg.AssetsDefinition) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    console = Console(width=100, file=io.StringIO(), record=True)
    progress = RunProgress(console)
    definitions = dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("job")],
        loggers={LOGGER_KEY: as_logger(progress)},
    )
    with progress.over(steps=len(assets)):
        result = definitions.resolve_job_def("job").execute_in_process(
            run_config=CONFIG, raise_on_error=False
        )
    return result, [line.strip() for line in console.export_text().splitlines() if line.strip()]


@dg.asset
def told(context) -> None:  # noqa: ANN001  Dagster reads annotations, and these are texts
    context.log.info("3 windows published [/bold]")
    context.log.debug("for developers")
    context.log.warning("one ticker is too young")


@dg.asset
def broken() -> None:
    msg = "disk full"
    raise dg.Failure(msg)


@dg.asset(deps=[broken])
def behind() -> None:
    pytest.fail("what is behind a failure does not run")


def test_every_step_says_what_it_did_and_how_long_it_took() -> None:
    result, said = run(told)

    assert result.success
    assert said[0] == "told  3 windows published [/bold]"
    assert said[1] == "told  one ticker is too young"
    assert said[2].startswith("told  done in ")
    assert len(said) == 3


def test_a_failed_step_is_told_and_what_is_behind_it_is_not_started() -> None:
    result, said = run(broken, behind)

    assert not result.success
    assert [line.rpartition(" after ")[0] for line in said] == ["broken  failed"]


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=1, delay=0.01))
def late(context) -> None:  # noqa: ANN001  Dagster reads annotations, and these are texts
    if context.retry_number == 0:
        msg = "no answer"
        raise dg.Failure(msg)


def test_a_step_that_is_tried_again_says_so() -> None:
    result, said = run(late)

    assert result.success
    assert said[0] == "late  no success; trying again in 0 s"
    assert said[1].startswith("late  done in ")


def hear(console: Console) -> IngestProgress:
    """Follow a round of three tickers, one of which fails at first."""
    progress = IngestProgress(console)
    failed = TickerOutcome("IBM", "failed", 1, error=BarsError("[/red] broken"))
    with progress.over(tickers=3):
        progress.begin(3)
        for outcome in (
            TickerOutcome("AAPL", "up_to_date", 0),
            failed,
            TickerOutcome("IBM", "nothing_new", 1),
        ):
            progress.on_outcome(outcome)
    return progress


def test_away_from_a_terminal_every_ticker_has_a_line() -> None:
    console = Console(width=100, file=io.StringIO(), record=True)

    progress = hear(console)

    assert console.export_text().split("\n")[:3] == [
        "AAPL: up to date",
        "IBM: failed: [/red] broken",
        "IBM: nothing new",
    ]
    assert [(o.ticker, o.outcome) for o in progress.outcomes] == [
        ("AAPL", "up_to_date"),
        ("IBM", "nothing_new"),
    ]


def test_on_a_terminal_a_bar_moves_and_failures_alone_have_a_line() -> None:
    console = Console(width=100, file=io.StringIO(), record=True, force_terminal=True)

    hear(console)

    said = console.export_text()
    assert "IBM: failed: [/red] broken" in said
    assert "AAPL: up to date" not in said
    assert "2/3" in said
