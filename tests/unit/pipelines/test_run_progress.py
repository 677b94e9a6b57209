"""A run reports to the terminal: its steps, what assets say, and what failed."""

from __future__ import annotations

import io

import dagster as dg
import pytest
from rich.console import Console

from pipelines.progress import LOGGER_KEY, RunProgress

CONFIG = {"loggers": {LOGGER_KEY: {"config": {}}}}


def run(*assets: dg.AssetsDefinition) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    console = Console(width=100, file=io.StringIO(), record=True)
    progress = RunProgress(console)
    definitions = dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("job")],
        loggers={LOGGER_KEY: progress.as_logger()},
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
