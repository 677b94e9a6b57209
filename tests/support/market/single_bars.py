"""Single bars with faults, and their validation."""

from __future__ import annotations

from datetime import date

import polars as pl
from support.market.bars import xnys

from market.bars.contract import BAR_SCHEMA, ValidatedBars, validate_bars

LAST = date(2013, 3, 1)
MONDAY = date(2010, 1, 4)
NO_VALUES = dict.fromkeys(("open", "high", "low", "close", "adj_close", "volume"))


def bar(**changes: object) -> pl.DataFrame:
    """Return one valid bar of AAPL with some values changed."""
    values: dict[str, object] = {
        "ticker": "AAPL",
        "session": MONDAY,
        "open": 213.4,
        "high": 214.5,
        "low": 212.4,
        "close": 214.0,
        "adj_close": 27.6,
        "volume": 17_633_200,
        "split_factor": 1.0,
        "dividend": 0.0,
        "source": "test",
    }
    return pl.DataFrame([values | changes], schema=BAR_SCHEMA, strict=False)


def validate(frame: pl.DataFrame) -> ValidatedBars:
    return validate_bars(frame, xnys(), last_session=LAST)


def reasons(frame: pl.DataFrame) -> list[str]:
    return validate(frame).quarantine.get_column("reason").to_list()
