"""Own files of bars, edits of them, and homes that follow them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.market.file_formats import provider
from support.market.ingest_setup import EVENING, IngestSetup

from core.errors import StockcastError
from market.bars.contract import BAR_SCHEMA

PRICES = ["open", "high", "low", "close"]
COLUMNS = ["session", *PRICES, "volume"]
SCHEMA = pl.Schema({name: BAR_SCHEMA[name] for name in [*COLUMNS, "ticker"]})


class Folder:
    """Bar files of the tickers A and B, and a home that follows them."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / "live"
        self.path.mkdir(parents=True)
        self.home = self.new_home("home")
        self.n_homes = 0

    def new_home(self, name: str) -> IngestSetup:
        return IngestSetup(self.root / name, MovingClock(EVENING))

    def write(self, name: str, bars: pl.DataFrame) -> None:
        bars.select(COLUMNS).with_columns(ticker=pl.lit(name[0])).write_csv(self.path / name)

    def read(self, name: str) -> pl.DataFrame:
        path = self.path / name
        return pl.read_csv(path, schema=SCHEMA) if path.exists() else bars().clear()

    def ingest(self, home: IngestSetup, ticker: str) -> pl.DataFrame | str:
        """Return the stored bars after an ingest, or its error."""
        home.use(provider(self.path))
        try:
            home.ingest_ticker(ticker)
        except StockcastError as error:
            return str(error)
        return home.bars(ticker)

    def ingest_fresh(self, ticker: str) -> pl.DataFrame | str:
        self.n_homes += 1
        return self.ingest(self.new_home(f"fresh{self.n_homes}"), ticker)


def bars(start: date = date(2012, 4, 2), end: date = date(2012, 5, 31)) -> pl.DataFrame:
    return sample_bars("IBM", start=start, end=end).select(COLUMNS)


def scaled(frame: pl.DataFrame, factor: float) -> pl.DataFrame:
    return frame.with_columns(pl.col(PRICES) * factor)


def changed_row(frame: pl.DataFrame, row: int, factor: float) -> pl.DataFrame:
    is_row = pl.int_range(pl.len()) == row % max(1, frame.height)
    return frame.with_columns(
        pl.when(is_row).then(pl.col(PRICES) * factor).otherwise(pl.col(PRICES))
    )


EDITS: dict[str, Callable[[pl.DataFrame, int, float], pl.DataFrame]] = {
    "add": lambda frame, row, _: pl.concat(
        [frame, bars().slice(row % 42, 3).join(frame, on="session", how="anti")]
    ),
    "remove": lambda frame, row, _: frame.filter(pl.int_range(pl.len()) != row % 42),
    "correct": changed_row,
    "make invalid": lambda frame, row, _: changed_row(frame, row, -1.0),
    "make all invalid": lambda frame, _, __: scaled(frame, -1.0),
    "rescale": lambda frame, _, factor: scaled(frame, factor),
    "shift": lambda _, row, __: bars().slice(row % 30, 12),
    "empty": lambda frame, _, __: frame.clear(),
    "reverse": lambda frame, _, __: frame.reverse(),
}
