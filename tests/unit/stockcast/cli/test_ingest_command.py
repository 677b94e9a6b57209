"""`stockcast ingest` and `quota` on the sample: what they print, refuse and leave."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest
from support.pipelines.command_runs import COMMAND, environment

from core.settings import load_settings
from market.store import BarStore
from pipelines.settings import PipelineSettings
from stockcast.cli.dagster_instance import COMMAND_TAG, open_instance
from stockcast.cli.ingest import stretches


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ingest") / "home"


def call(*arguments: str, home: Path) -> tuple[int, list[str], str]:
    """Exit status, the lines of standard output, and standard error."""
    # A process of its own: Dagster redirects the very streams that pytest reads.
    done = subprocess.run(
        [COMMAND, *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        env=environment() | {"STOCKCAST_TICKERS": "FB,GOOG"},
        check=False,
    )
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, lines, done.stderr.strip()


def test_what_is_due_is_taken_in_told_ticker_by_ticker_and_recorded(home: Path) -> None:
    status, said, _ = call("ingest", home=home)

    assert status == 0
    assert said[:2] == [
        "FB: ingested: 196 new to 2013-03-01",
        "GOOG: ingested: 2,148 new to 2013-03-01",
    ]
    assert said[-1] == "2 tickers: 2 ingested."
    assert BarStore(home / "bars").tickers() == ("FB", "GOOG")
    with open_instance(load_settings(PipelineSettings, home=home)) as instance:
        (run,) = instance.get_runs()
        assert run.tags[COMMAND_TAG] == "ingest"
        assert run.is_success


def test_some_tickers_can_be_chosen_of_those_that_are_followed(home: Path) -> None:
    status, said, _ = call("ingest", "--tickers", "goog", home=home)

    assert status == 0
    assert said[-1] == "1 ticker: 1 nothing new."


def test_a_ticker_that_is_not_followed_is_refused_with_the_way_out(home: Path) -> None:
    status, said, complaint = call("ingest", "--tickers", "FB,MSFT", home=home)

    assert (status, said) == (1, [])
    assert complaint == (
        "error: --tickers names MSFT, which Stockcast does not follow; add it to "
        "STOCKCAST_TICKERS, or to the file that STOCKCAST_UNIVERSE names."
    )


def test_two_commands_do_not_share_a_home(home: Path) -> None:
    with (home / ".run.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write("run")
        lock.flush()
        status, _, complaint = call("ingest", home=home)

    assert status == 1
    expected = f"error: Another `stockcast run` is using {home}; wait for it or set --home."
    assert " ".join(complaint.split()) == expected


def test_providers_on_this_machine_need_no_budget(home: Path) -> None:
    status, said, _ = call("quota", home=home)

    assert status == 0
    assert said == ["Bars come from sample, on this machine: no budget is needed."]


def test_tickers_that_stand_together_are_taken_in_one_run() -> None:
    found = stretches(["D", "A", "C", "B"], {"A", "C", "B"})
    assert [tuple(tags.values()) for tags in found] == [("A", "B")]

    found = stretches(["D", "A", "C", "B"], {"D", "B", "C"})
    assert [tuple(tags.values()) for tags in found] == [("D", "D"), ("C", "B")]
