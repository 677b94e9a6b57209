"""Findings do not depend on later bars, on other tickers or on the partition of the bars."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.market.bars import sample_bars, synthetic_bars, xnys

from market.bars.contract import BAR_SCHEMA
from market.quality.report import QualityReport, examine_bars, merge_reports

AFTER = datetime(2013, 3, 2, tzinfo=UTC)
N = 120


def examine(bars: pl.DataFrame) -> QualityReport:
    return examine_bars(bars, sessions_of=lambda _: xnys(), now=AFTER)


@st.composite
def irregular_bars(draw: st.DrawFn) -> pl.DataFrame:
    """Generate bars with gaps, jumps, splits and sessions without volume."""
    row = st.integers(0, N - 1)
    factors = st.sampled_from([1.01, 0.5, 1.4, 0.01, 100.0])
    splits = st.sampled_from([None, 2.0, 100.0])
    base = synthetic_bars(("AAA",), n_sessions=N, seed=draw(st.integers(0, 3)))
    at = pl.int_range(pl.len())
    level = at.replace_strict(
        draw(st.dictionaries(row, factors, max_size=9)), default=1.0, return_dtype=pl.Float64
    )
    split = at.replace_strict(
        draw(st.dictionaries(row, splits, max_size=5)), default=1.0, return_dtype=pl.Float64
    )
    gone, untraded = draw(st.sets(row, max_size=20)), draw(st.sets(row, max_size=20))
    bars = base.with_columns(
        *(pl.col(name) * level.cum_prod() for name in ("open", "high", "low", "close")),
        volume=pl.when(at.is_in(list(untraded))).then(0).otherwise("volume"),
        split_factor=split,
        adj_close=pl.lit(None, pl.Float64),
    )
    return bars.filter(~at.is_in(list(gone)))


def complete_by(report: QualityReport, last: date) -> pl.DataFrame:
    """Return the findings that are final at `last`, which excludes runs of equal sessions."""
    is_final = pl.col("kind").is_in(["level_change", "unlisted_split", "outlier", "missing"])
    return report.findings.filter(is_final & (pl.col("last_session") <= last))


@settings(max_examples=60, deadline=None)
@given(bars=irregular_bars(), kept=st.integers(1, N))
def test_later_bars_change_no_finding(bars: pl.DataFrame, kept: int) -> None:
    early = bars.head(kept)
    last = early["session"][-1]

    whole, part = complete_by(examine(bars), last), complete_by(examine(early), last)
    assert_frame_equal(whole, part, rel_tol=1e-9, abs_tol=0)


def test_findings_of_the_sample_up_to_2004_do_not_change_later() -> None:
    last = date(2004, 12, 31)

    assert_frame_equal(
        complete_by(examine(sample_bars()), last), examine(sample_bars(end=last)).findings
    )


@settings(max_examples=20, deadline=None)
@given(bars=irregular_bars(), other=irregular_bars())
def test_merged_reports_equal_the_report_on_all_bars(
    bars: pl.DataFrame, other: pl.DataFrame
) -> None:
    other = other.with_columns(ticker=pl.lit("BBB"))

    whole = examine(pl.concat([bars, other]))
    merged = merge_reports([examine(other), examine(bars)])

    assert_frame_equal(whole.tickers, merged.tickers)
    keys = ["kind", "ticker", "first_session"]
    assert_frame_equal(whole.findings.sort(keys), merged.findings.sort(keys))


def test_no_bars_give_an_empty_report() -> None:
    report = examine(BAR_SCHEMA.to_frame())

    assert report.tickers.is_empty()
    assert report.findings.is_empty()
    assert_frame_equal(merge_reports([report]).tickers, report.tickers)


@pytest.mark.parametrize("n", [1, 2, 21, 22])
def test_history_shorter_than_the_half_life_has_no_outlier(n: int) -> None:
    bars = synthetic_bars(("AAA",), n_sessions=n)
    last = pl.int_range(pl.len()) == n - 1
    jump = bars.with_columns(
        adj_close=None, close=pl.when(last).then(pl.col("close") * 3).otherwise("close")
    )

    assert examine(jump).findings_of("outlier").is_empty()


def test_first_move_after_the_half_life_is_examined() -> None:
    bars = synthetic_bars(("AAA",), n_sessions=23).with_columns(adj_close=pl.lit(None, pl.Float64))
    last = pl.int_range(pl.len()) == 22
    jump = bars.with_columns(close=pl.when(last).then(pl.col("close") * 3).otherwise("close"))

    assert examine(jump).findings_of("outlier")["first_session"].to_list() == [bars["session"][-1]]


def test_move_over_a_gap_is_scaled_by_its_sessions() -> None:
    whole = sample_bars("IBM", start=date(2005, 1, 3), end=date(2005, 12, 30))
    fall = date(2005, 4, 15)
    gone = pl.col("session").is_between(date(2005, 3, 1), date(2005, 4, 14))

    assert examine(whole).findings_of("outlier")["first_session"].to_list() == [fall]
    assert examine(whole.filter(~gone)).findings_of("outlier").is_empty()
