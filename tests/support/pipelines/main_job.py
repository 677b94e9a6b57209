"""One undisturbed run of the main job on real bars, and runs on a second home that are killed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from support.pipelines.command_runs import (
    QUICK,
    Finished,
    RunHome,
    finish,
    kill_often,
    wait_until,
    write_yahoo,
)

from registry.promotion.audit import read_moves

TICKERS = ("AAPL", "IBM")
START = date(2008, 7, 1)
FOLDS, TEST_SIZE = int(QUICK["STOCKCAST_N_FOLDS"]), int(QUICK["STOCKCAST_TEST_SIZE"])
HORIZONS = (1, 5, 21)
MODELS = ("naive", "garch", "ewma", "linear", "student", "forest", "lstm", "ensemble")


def run_main_job(folder: Path) -> Finished:
    """Run both homes at the same time, on both cores."""
    bars = write_yahoo(folder / "bars", *TICKERS, start=START)
    home, killed = RunHome(folder / "undisturbed", bars), RunHome(folder / "killed", bars)
    process = home.start()
    wait_until(process, lambda: bool(home.stages("feature_table")))
    refused = home.run()
    assert refused.returncode == 1, refused.stdout
    kill_often(killed)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    (run,) = home.runs()
    return Finished(
        home=home,
        killed=killed,
        output=done.stdout,
        refused=refused.stderr,
        versions=home.registry.list(),
        trail=read_moves(home.registry),
        run=run,
    )
