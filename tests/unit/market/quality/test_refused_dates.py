"""Refused rows of files in which the dates are shifted by one day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars, xnys

from market.bars.contract import validate_bars
from market.quality.refusals import count_refused, find_date_shift, find_refused

CLOSED = date(2013, 3, 1)


def explain(rows: pl.DataFrame) -> str:
    """Return the reason for leaving out the ticker of `rows`."""
    validated = validate_bars(rows, xnys(), last_session=CLOSED)
    refused, stored = validated.quarantine, validated.bars["session"]
    counts = count_refused(refused, {"IBM": len(stored)})
    shifts = {"IBM": find_date_shift(refused, stored, xnys())}
    return find_refused(counts, lambda _: Path("IBM.parquet"), shifts, limit=0.01)["IBM"]


def bars() -> pl.DataFrame:
    """Return a year of real bars with all kinds of US holidays."""
    return sample_bars("IBM", start=date(2012, 1, 3), end=date(2012, 12, 31))


@pytest.mark.parametrize(("days", "shift"), [(1, "late"), (-1, "early")])
def test_dates_that_are_shifted_by_one_day_are_named(days: int, shift: str) -> None:
    """Regression: with closing times stored as the next midnight, the rows of Saturdays were
    refused and the sentence only spoke of the calendar.
    """
    reason = explain(bars().with_columns(pl.col("session") + timedelta(days=days)))

    assert f"the dates look one day {shift}: correct them at their source, or set the" in reason
    assert "the XNYS calendar has no session on that date" in reason


def test_dates_of_other_closed_days_are_not_called_shifted() -> None:
    saturdays = bars().filter(pl.col("session").dt.weekday() == 5).head(20)
    saturdays = saturdays.with_columns(pl.col("session") + timedelta(days=1))
    two_days_late = bars().with_columns(pl.col("session") + timedelta(days=2))

    for rows in (pl.concat([bars(), saturdays]), two_days_late):
        assert "the dates look" not in explain(rows)


def test_few_closed_days_among_other_faults_are_not_called_shifted() -> None:
    late = bars().with_columns(pl.col("session") + timedelta(days=1))
    is_faulty = pl.col("session").dt.weekday() < 4

    reason = explain(late.with_columns(close=pl.when(~is_faulty).then("close")))

    assert "the dates look" not in reason
