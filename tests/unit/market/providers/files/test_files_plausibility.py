"""Files with rows that are no daily bars are refused, and not read as daily ones."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from support.market.bars import sample_bars
from support.market.file_formats import Write, provider, refusal, traded

DAILY = sample_bars("MSFT", start=date(2012, 1, 3), end=date(2012, 12, 31)).select(
    "session", "open", "high", "low", "close", "volume"
)


@pytest.mark.parametrize(("rule", "step"), [("1w", 5), ("1mo", 21)])
def test_weekly_and_monthly_bars_are_refused(write: Write, rule: str, step: int) -> None:
    """Regression: weekly bars were read as daily ones without a word."""
    bars = DAILY.group_by_dynamic("session", every=rule).agg(
        pl.all().exclude("session", "volume").last(), pl.sum("volume")
    )
    first = DAILY.join(bars.select("session"), on="session", how="semi")
    bars = first if rule == "1w" else DAILY.gather_every(21)

    message = refusal(write("MSFT.csv", bars.write_csv()))

    assert f"the rows are {step} sessions apart in the median" in message


@pytest.mark.parametrize("kind", ["hours", "tickers"])
def test_several_rows_of_most_sessions_are_refused(write: Write, kind: str) -> None:
    """Regression: of intraday bars, the one with the largest volume became the daily bar."""
    rows = [DAILY.with_columns(volume=pl.col("volume") // n + n) for n in (5, 7, 9)]
    if kind == "hours":
        session = pl.format("{} {}:30:00", "session", pl.int_range(pl.len()) % 6 + 10)
        rows = [part.with_columns(session) for part in rows]
    else:
        rows = [part.with_columns(Name=pl.lit(f"T{n}")) for n, part in enumerate(rows)]

    message = refusal(write("MSFT.csv", pl.concat(rows).write_csv()))

    assert "most sessions have several different rows, such as 3 on" in message
    assert "STOCKCAST_COLUMNS (ticker=Your Name)" in message


def test_prices_in_billionths_are_refused(write: Write) -> None:
    prices = pl.col("open", "high", "low", "close")
    scaled = DAILY.with_columns((prices.round(2) * 1e9).round().cast(pl.Int64))

    assert "are fixed-point numbers of billionths" in refusal(write("MSFT.csv", scaled.write_csv()))


def test_a_share_that_trades_on_every_third_session_is_read(write: Write) -> None:
    bars = DAILY.gather_every(3)

    assert traded(provider(write("MSFT.csv", bars.write_csv())).fetch("MSFT")) == bars.rows()


def test_a_file_that_was_joined_twice_is_read(write: Write) -> None:
    twice = pl.concat([DAILY, DAILY]).write_csv()

    assert provider(write("MSFT.csv", twice)).fetch("MSFT").height == 2 * DAILY.height
