"""The plot of a quality report fits a page for any number of tickers, and shows findings."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import polars as pl
import pytest
from support.market.bars import sample_bars, xnys

from market.quality.report import QualityReport, examine_bars, merge_reports
from pipelines.reporting.quality_plot import (
    COLUMNS,
    SHOWN,
    _cells,
    _TimeAxis,
    quality_map,
    worst_first,
)

START = date(2011, 8, 1)


def examine(bars: pl.DataFrame) -> QualityReport:
    now = datetime(2013, 3, 2, tzinfo=UTC)
    return examine_bars(bars, sessions_of=lambda _: xnys(), now=now)


@cache
def of_sample() -> QualityReport:
    return examine(sample_bars())


@cache
def picture_of_sample() -> bytes:
    return quality_map(of_sample())


def many(n: int) -> QualityReport:
    """Return a report on `n` tickers, each with another number of missing sessions."""
    bars = sample_bars("IBM", start=START)
    parts = [bars.filter(~pl.int_range(pl.len()).is_between(100, 99 + i)) for i in range(n)]
    named = [part.with_columns(ticker=pl.lit(f"T{i:04}")) for i, part in enumerate(parts)]
    return examine(pl.concat(named))


def size_of(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("n", [1, 120])
def test_the_plot_fits_a_page_for_any_number_of_tickers(n: int) -> None:
    picture = quality_map(many(n))
    width, height = size_of(picture)

    assert 800 <= width <= 1200
    assert 200 <= height <= 1000
    assert 5_000 < len(picture) < 200_000


def test_one_more_missing_session_changes_the_plot() -> None:
    bars = sample_bars()
    gone = (pl.col("ticker") == "IBM") & (pl.col("session") == date(2007, 5, 3))

    assert quality_map(examine(bars.filter(~gone))) != picture_of_sample()


def test_a_single_bar_can_be_drawn() -> None:
    assert size_of(quality_map(examine(sample_bars("IBM").head(1))))


def test_the_lower_panel_counts_tickers_without_a_row() -> None:
    report = many(SHOWN + 20)
    cells = _cells(report.findings, _TimeAxis(report.tickers))

    assert cells["ticker"].n_unique() == SHOWN + 19  # the first has no missing session


def test_cells_distribute_all_sessions_of_the_findings() -> None:
    report = many(60)
    cells = _cells(report.findings, _TimeAxis(report.tickers))

    assert cells["column"].is_between(0, COLUMNS - 1).all()
    by_ticker = cells.group_by("ticker").agg(pl.sum("sessions")).sort("ticker")
    expected = report.tickers.filter(pl.col("missing") > 0).sort("ticker")
    assert by_ticker["sessions"].to_list() == pytest.approx(expected["missing"].to_list())


def test_the_first_and_the_last_session_are_in_the_outer_columns() -> None:
    axis = _TimeAxis(of_sample().tickers)
    ends = pl.DataFrame({"session": [date(2000, 3, 1), date(2013, 3, 1)]})

    assert ends.select(axis.column("session")).to_series().to_list() == [0, COLUMNS - 1]
    assert np.all(np.diff(axis.edges) > 0)


def test_findings_that_distort_features_come_before_missing_volume() -> None:
    tickers = (
        of_sample()
        .tickers.head(4)
        .with_columns(
            ticker=pl.Series(["calm", "thin", "holes", "pence"]),
            zero_volume=pl.Series([0, 900, 0, 0]),
            missing=pl.Series([0, 0, 5, 0]),
            outlier=pl.lit(0, pl.Int64),
            level_change=pl.Series([0, 0, 0, 1]),
        )
    )

    assert worst_first(tickers)["ticker"].to_list() == ["pence", "holes", "thin", "calm"]


def test_merged_reports_give_the_same_plot() -> None:
    parts = [examine(sample_bars(ticker)) for ticker in ("MSFT", "AAPL", "FB", "IBM", "GOOG")]

    assert quality_map(merge_reports(parts)) == picture_of_sample()
