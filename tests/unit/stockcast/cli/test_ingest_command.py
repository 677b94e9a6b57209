"""`stockcast ingest` and `quota` with the sample provider."""

from __future__ import annotations

import fcntl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml
from support.pipelines.command_runs import COMMAND, environment

from core.settings import load_settings
from market.store import BarStore
from pipelines.settings import PipelineSettings
from stockcast.cli.dagster_instance import COMMAND_TAG, open_instance
from stockcast.cli.ingest import partition_ranges

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[4]


@dataclass(frozen=True)
class Ingested:
    """A home after one `stockcast ingest`, the result of that command, and its runs."""

    home: Path
    status: int
    lines: list[str]
    runs: list[dg.DagsterRun]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    home = tmp_path_factory.mktemp("ingest") / "home"
    status, lines, _ = call("ingest", home=home)
    with open_instance(load_settings(PipelineSettings, home=home)) as instance:
        return Ingested(home, status, lines, list(instance.get_runs()))


def call(*arguments: str, home: Path) -> tuple[int, list[str], str]:
    """Return exit status, the lines of standard output, and standard error."""
    # A child process, because Dagster redirects the streams that pytest captures.
    done = subprocess.run(
        [COMMAND, *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        env=environment() | {"STOCKCAST_TICKERS": "FB,GOOG"},
        check=False,
    )
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, lines, done.stderr.strip()


def test_due_tickers_are_ingested_printed_and_recorded(ingested: Ingested) -> None:
    assert ingested.status == 0
    assert ingested.lines[:2] == [
        "FB: ingested: 196 new to 2013-03-01",
        "GOOG: ingested: 2,148 new to 2013-03-01",
    ]
    assert ingested.lines[-1] == "2 tickers: 2 ingested."
    assert BarStore(ingested.home / "bars").tickers() == ("FB", "GOOG")
    (run,) = ingested.runs
    assert run.tags[COMMAND_TAG] == "ingest"
    assert run.is_success


def test_the_overview_of_dagster_lists_the_run_of_a_command(ingested: Ingested) -> None:
    """It lists runs of the code locations of its workspace only."""
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    (run,) = ingested.runs
    origin = run.remote_job_origin

    assert origin.job_name == run.job_name == "ingest_job"
    label = origin.repository_origin.get_label()
    assert label == f"__repository__@{location['python_module']['location_name']}"
    # The page of the job finds its runs by this tag.
    assert run.tags[".dagster/repository"] == label
    assert run.tags["dagster/max_retries"] == "0"


def test_the_tickers_option_selects_followed_tickers(ingested: Ingested) -> None:
    status, lines, _ = call("ingest", "--tickers", "goog", home=ingested.home)

    assert status == 0
    assert lines[-1] == "1 ticker: 1 nothing new."


def test_a_ticker_that_is_not_followed_is_refused(tmp_path: Path) -> None:
    status, lines, error = call("ingest", "--tickers", "FB,MSFT", home=tmp_path)

    assert (status, lines) == (1, [])
    assert error == (
        "error: --tickers contains MSFT, which Stockcast does not follow; add it to "
        "STOCKCAST_TICKERS or to the file of STOCKCAST_UNIVERSE."
    )


def test_a_second_command_on_the_same_home_is_refused(ingested: Ingested) -> None:
    home = ingested.home
    with (home / ".run.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write("run")
        lock.flush()
        status, _, error = call("ingest", home=home)

    assert status == 1
    expected = f"error: Another command, stockcast run, is using {home}; wait for it or set --home."
    assert " ".join(error.split()) == expected


def test_local_providers_have_no_budget(tmp_path: Path) -> None:
    status, lines, _ = call("quota", home=tmp_path)

    assert status == 0
    assert lines == ["Bars come from local data (sample), which needs no budget."]


def test_adjacent_partitions_are_ingested_in_one_run() -> None:
    ranges = partition_ranges(["D", "A", "C", "B"], {"A", "C", "B"})
    assert [tuple(tags.values()) for tags in ranges] == [("A", "B")]

    ranges = partition_ranges(["D", "A", "C", "B"], {"D", "B", "C"})
    assert [tuple(tags.values()) for tags in ranges] == [("D", "D"), ("C", "B")]
