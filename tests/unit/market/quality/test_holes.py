"""Bars before a long hole are not used: the symbol may have been that of another company."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from support.market.bars import sample_bars

from market.ingest.report import note_unusable
from market.quality.holes import MAX_HOLE, bars_after_holes
from market.quality.report import unusable_tickers

# MSFT from 2000, a hole, and the last year under the symbol of another company.
OLD = sample_bars("MSFT", end=date(2001, 6, 29))
NEW = sample_bars("MSFT", start=date(2012, 1, 3))


def test_only_the_bars_after_a_long_hole_are_used() -> None:
    """Regression: a hole from 1976 to 2017 was trained across as one return."""
    reused = pl.concat([OLD, NEW])
    other = sample_bars("IBM")

    bars, reasons = bars_after_holes(pl.concat([other, reused]))

    assert bars.equals(pl.concat([other, NEW]))
    assert reasons == {
        "MSFT": "its bars up to 2001-06-29 are not used, because the next one is on 2012-01-03; "
        "the symbol may have been that of another company."
    }
    assert note_unusable(reused, ()) == (f"MSFT: {reasons['MSFT']}",)


def test_the_last_of_several_holes_counts() -> None:
    middle = sample_bars("MSFT", start=date(2005, 1, 3), end=date(2005, 12, 30))

    bars, _ = bars_after_holes(pl.concat([OLD, middle, NEW]))

    assert bars.equals(NEW)


def test_a_hole_of_a_year_is_no_long_one() -> None:
    first = OLD["session"][-1] + timedelta(days=MAX_HOLE)
    shifted = NEW.with_columns(session=pl.col("session") - (NEW["session"][0] - first))

    for days, n_bars in ((0, OLD.height + NEW.height), (1, NEW.height)):
        later = shifted.with_columns(pl.col("session") + timedelta(days=days))
        assert bars_after_holes(pl.concat([OLD, later]))[0].height == n_bars


def test_another_price_level_before_a_long_hole_does_not_leave_out_the_ticker() -> None:
    prices = pl.col("open", "high", "low", "close", "adj_close")
    reused = pl.concat([OLD.with_columns(prices * 100), NEW])

    assert unusable_tickers(reused) == {}


def test_no_bars_have_no_hole() -> None:
    bars, reasons = bars_after_holes(NEW.clear())

    assert bars.is_empty()
    assert reasons == {}
