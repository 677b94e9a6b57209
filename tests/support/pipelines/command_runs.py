"""Runs of the installed `stockcast` command in separate processes, and the files they leave."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from support.market.bars import sample_bars

from core.settings import load_settings
from registry.promotion.audit import Move
from registry.versions import ModelRegistry, VersionInfo
from stockcast.cli.dagster_instance import open_instance
from stockcast.cli.settings import CommandSettings

COMMAND = Path(sys.executable).with_name("stockcast")
# The smallest settings that run the whole job: every stage and four scored folds.
QUICK = {
    "STOCKCAST_PROFILE": "quick",
    "STOCKCAST_N_FOLDS": "4",
    "STOCKCAST_TEST_SIZE": "63",
}
SECONDS = 120


@dataclass(frozen=True)
class RunHome:
    """The home of a run, and the bars that the run reads."""

    path: Path
    bars: str

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start `stockcast run` without waiting for it."""
        return subprocess.Popen(
            [COMMAND, "run", "--bars", self.bars, "--home", str(self.path), *options],
            env=environment(),
            cwd=self.path.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `stockcast run` and wait for its end."""
        process = self.start(*options)
        return finish(process)

    @property
    def settings(self) -> CommandSettings:
        return load_settings(CommandSettings, home=self.path, provider="files", bars=self.bars)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry.from_settings(self.settings)

    def stages(self, name: str) -> set[str]:
        """Return the keys of the finished stages named `name`."""
        found = (self.path / "stages" / name).glob("*")
        return {path.name for path in found if not path.name.startswith(".")}

    def all_stages(self, *, but: Iterable[str] = ()) -> dict[str, set[str]]:
        names = {path.name for path in (self.path / "stages").iterdir()} - {"newest", *but}
        return {name: self.stages(name) for name in names}

    def runs(self) -> list[str]:
        """Return the ids of Dagster's runs, newest first."""
        with open_instance(self.settings) as instance:
            return [run.run_id for run in instance.get_runs()]

    def made(self, run: str) -> dict[str, dict[str, object]]:
        """Return the metadata of a run by asset; of partitions, that of the last one."""
        with open_instance(self.settings) as instance:
            entries = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        found = [entry.asset_materialization for entry in entries]
        return {
            made.asset_key.to_user_string(): {k: v.value for k, v in made.metadata.items()}
            for made in found
            if made is not None
        }

    def left_overs(self) -> list[Path]:
        """Return the temporary files of killed processes, which the next run must delete."""
        return [*self.path.glob("stages/*/.draft-*"), *self.path.glob("bars/.*.tmp")]


@dataclass(frozen=True)
class Finished:
    """The state after one undisturbed run, and the home of the killed runs."""

    home: RunHome
    killed: RunHome
    output: str
    refused: str
    versions: tuple[VersionInfo, ...]
    trail: tuple[Move, ...]
    run: str


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the process, and kill it after `SECONDS`."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Return as soon as `reached` returns true or the process has ended."""
    while process.poll() is None and not reached():
        time.sleep(0.02)


def kill_when(home: RunHome, reached: Callable[[], bool]) -> None:
    """Start a run and kill its process as soon as `reached` returns true."""
    process = home.start("--no-serve")
    wait_until(process, reached)
    assert process.poll() is None, process.communicate()[1]
    os.kill(process.pid, signal.SIGKILL)
    finish(process)


def kill_often(home: RunHome) -> None:
    """Kill runs between two folds, at the start of registration and before the promotion."""
    kill_when(home, lambda: len(home.stages("fold")) == 2)
    folds = home.stages("fold")
    kill_when(home, lambda: bool(home.stages("forecast_bundle")))
    assert folds < home.stages("fold")
    kill_when(home, lambda: bool(home.stages("registered_version")))


def environment() -> dict[str, str]:
    """Return the environment with the settings of the tests in place of the caller's."""
    return {k: v for k, v in os.environ.items() if not k.startswith("STOCKCAST_")} | QUICK


def write_yahoo(folder: Path, *tickers: str, start: date, end: date = date(2013, 3, 1)) -> str:
    """Write real bars in Yahoo's CSV format, one file for each ticker, and return their glob."""
    folder.mkdir(parents=True, exist_ok=True)
    for ticker in tickers:
        bars = sample_bars(ticker, start=start, end=end)
        bars.select(
            pl.col("session").alias("Date"),
            pl.col("open").alias("Open"),
            pl.col("high").alias("High"),
            pl.col("low").alias("Low"),
            pl.col("close").alias("Close"),
            pl.col("adj_close").alias("Adj Close"),
            pl.col("volume").alias("Volume"),
        ).write_csv(folder / f"{ticker}.csv")
    return str(folder / "*.csv")


def fitting_seconds(output: str) -> float:
    """Return the seconds of the steps that fit models, from the output of a run."""
    steps = dict(re.findall(r"(\w+) +done in ([\d.]+) s", output))
    return sum(float(steps[name]) for name in ("walk_forward_forecasts", "forest", "lstm"))
