"""Runs of the installed `stockcast` command in processes of their own, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from support.bars import sample_bars

from market.settings import Settings, load_settings
from registry.versions import ModelRegistry

COMMAND = Path(sys.executable).with_name("stockcast")
# The least that is still the whole job: every stage, four scored folds.
QUICK = {
    "STOCKCAST_PROFILE": "quick",
    "STOCKCAST_N_FOLDS": "4",
    "STOCKCAST_TEST_SIZE": "63",
}
SECONDS = 120


@dataclass(frozen=True)
class RunHome:
    """The folder that a run writes, and the bars that it reads."""

    path: Path
    bars: str

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start `stockcast run` and do not wait for it."""
        return subprocess.Popen(
            [COMMAND, "run", "--bars", self.bars, "--home", str(self.path), *options],
            env=environment(),
            cwd=self.path.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `stockcast run` to its end."""
        process = self.start(*options)
        return finish(process)

    @property
    def settings(self) -> Settings:
        return load_settings(home=self.path, provider="files", bars=self.bars)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry.from_settings(self.settings)

    def stages(self, name: str) -> set[str]:
        """Keys of the finished stages of this name."""
        found = (self.path / "stages" / name).glob("*")
        return {path.name for path in found if not path.name.startswith(".")}

    def all_stages(self, *, but: Iterable[str] = ()) -> dict[str, set[str]]:
        names = {path.name for path in (self.path / "stages").iterdir()} - {"newest", *but}
        return {name: self.stages(name) for name in names}

    def left_overs(self) -> list[Path]:
        """What a killed process may leave and the next run must clear away."""
        return [*self.path.glob("stages/*/.draft-*"), *self.path.glob("bars/.*.tmp")]


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the process; one that hangs is killed, and fails the test."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def environment() -> dict[str, str]:
    """Settings of tests alone: none of whoever runs them."""
    return {k: v for k, v in os.environ.items() if not k.startswith("STOCKCAST_")} | QUICK


def write_yahoo(folder: Path, *tickers: str, start: date, end: date = date(2013, 3, 1)) -> str:
    """Write real bars as Yahoo spells them, one CSV a ticker; return their glob."""
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
