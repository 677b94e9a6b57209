"""The quality report on real bars of the sample, each test with one kind of fault."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

import polars as pl
import pytest
from support.market.bars import sample_bars, xnys

from market.calendars.sessions import Sessions
from market.quality.findings import KINDS, Kind
from market.quality.report import QualityReport, examine_bars

AFTER = datetime(2013, 3, 2, tzinfo=UTC)
NO_FINDING = dict.fromkeys(KINDS, 0)


def examine(bars: pl.DataFrame, *, now: datetime = AFTER) -> QualityReport:
    return examine_bars(bars, sessions_of=lambda _: xnys(), now=now)


@cache
def calm_bars() -> pl.DataFrame:
    """Return two years of IBM without findings."""
    return sample_bars("IBM", start=date(2011, 8, 1))


def change(bars: pl.DataFrame, first: int, length: int, **values: pl.Expr) -> pl.DataFrame:
    """Return the bars with new values in `length` rows from row `first` on."""
    chosen = pl.int_range(pl.len()).is_between(first, first + length - 1)
    return bars.with_columns(
        pl.when(chosen).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def scaled(bars: pl.DataFrame, first: int, length: int, factor: float) -> pl.DataFrame:
    """Return the bars with prices of `length` rows multiplied by `factor`."""
    prices = ("open", "high", "low", "close", "adj_close")
    return change(bars, first, length, **{name: pl.col(name) * factor for name in prices})


def repeat(bars: pl.DataFrame, first: int, length: int, *names: str) -> pl.DataFrame:
    """Return the bars with the values of row `first` in `length` rows."""
    return change(bars, first, length, **{name: pl.col(name).get(first) for name in names})


def counts(report: QualityReport, ticker: str) -> dict[str, int]:
    return report.tickers.filter(ticker=ticker).select(KINDS).row(0, named=True)


def spans(report: QualityReport, kind: Kind) -> list[tuple[date, date, int]]:
    return report.findings_of(kind).select("first_session", "last_session", "sessions").rows()


def test_calm_bars_have_no_findings() -> None:
    report = examine(calm_bars())

    assert report.findings.is_empty()
    assert report.tickers.rows() == [
        ("IBM", "XNYS", 398, date(2011, 8, 1), date(2013, 3, 1), 0, 0, 0, 0, 0, 0, 0)
    ]


def test_sample_has_outliers_only() -> None:
    report = examine(sample_bars())

    outliers = report.findings_of("outlier").select("ticker", "first_session").rows()
    assert report.findings["kind"].unique().to_list() == ["outlier"]
    # Each follows an evening with quarterly results, or Apple's profit warning.
    assert set(outliers) == {
        ("AAPL", date(2000, 9, 29)),
        ("GOOG", date(2010, 10, 15)),
        ("GOOG", date(2011, 7, 15)),
        ("IBM", date(2005, 4, 15)),
        ("MSFT", date(2000, 10, 19)),
        ("MSFT", date(2006, 4, 28)),
    }


def test_fall_of_apple_is_an_outlier() -> None:
    (row,) = examine(sample_bars("AAPL")).findings_of("outlier").rows(named=True)

    assert row["detail"] == "-51.9 %, 20.4 times its usual move"
    assert row["size"] == pytest.approx(20.41, abs=0.01)


def test_bars_are_not_modified() -> None:
    bars = sample_bars("AAPL")
    before = bars.clone()

    examine(bars)

    assert bars.equals(before)


@pytest.mark.parametrize(
    ("now", "behind"),
    [
        (datetime(2013, 3, 1, 22, tzinfo=UTC), 0),
        (datetime(2013, 3, 4, 20, tzinfo=UTC), 0),  # Monday, an hour before the close
        (datetime(2013, 3, 4, 22, tzinfo=UTC), 1),
        (datetime(2013, 4, 1, 12, tzinfo=UTC), 19),  # without Good Friday
        (datetime(2012, 1, 1, tzinfo=UTC), 0),  # a clock that is wrong; never negative
    ],
)
def test_sessions_behind(now: datetime, behind: int) -> None:
    assert examine(calm_bars(), now=now).tickers["sessions_behind"].to_list() == [behind]


def test_each_ticker_has_its_own_calendar() -> None:
    # Boxing Day is a session in New York but not in London.
    bars = sample_bars("IBM", start=date(2012, 12, 1), end=date(2012, 12, 31))
    london = bars.filter(pl.col("session") != date(2012, 12, 26)).with_columns(
        ticker=pl.lit("IBM.L")
    )
    hole = london.with_columns(ticker=pl.lit("IBM2"))

    report = examine_bars(
        pl.concat([london, hole]),
        sessions_of=lambda ticker: Sessions("XLON" if ticker.endswith(".L") else "XNYS"),
        now=datetime(2013, 1, 1, 12, tzinfo=UTC),
    )

    assert report.tickers["exchange"].to_list() == ["XLON", "XNYS"]
    assert report.findings_of("missing").select("ticker", "first_session").rows() == [
        ("IBM2", date(2012, 12, 26))
    ]


def test_missing_sessions_are_sorted_by_length() -> None:
    # Hurricane Sandy closed New York on 29 and 30 October 2012.
    gone = [date(2012, 5, 3), date(2012, 10, 26), date(2012, 10, 31), date(2012, 11, 1)]
    report = examine(calm_bars().filter(~pl.col("session").is_in(gone)))

    assert counts(report, "IBM") == NO_FINDING | {"missing": 4}
    assert spans(report, "missing") == [
        (date(2012, 10, 26), date(2012, 11, 1), 3),
        (date(2012, 5, 3), date(2012, 5, 3), 1),
    ]


def test_sessions_before_listing_and_after_delisting_are_not_missing() -> None:
    whole, young = calm_bars(), calm_bars().tail(50).with_columns(ticker=pl.lit("NEW"))
    gone = calm_bars().head(100).with_columns(ticker=pl.lit("OLD"))

    report = examine(pl.concat([whole, young, gone]))

    assert report.findings.is_empty()
    assert report.tickers["sessions_behind"].to_list() == [0, 0, 298]


@pytest.mark.parametrize(("length", "expected"), [(4, 0), (5, 5), (9, 9)])
def test_five_identical_bars_are_stuck(length: int, expected: int) -> None:
    bars = repeat(calm_bars(), 100, length, "open", "high", "low", "close", "adj_close")

    report = examine(bars)

    assert counts(report, "IBM") == NO_FINDING | {"stuck": expected}
    if expected:
        session = bars["session"]
        assert spans(report, "stuck") == [(session[100], session[99 + length], length)]
        assert f"{length} identical bars" in report.findings_of("stuck")["detail"][0]


@pytest.mark.parametrize(("length", "expected"), [(9, 0), (10, 10)])
def test_ten_identical_closes_are_stuck(length: int, expected: int) -> None:
    bars = repeat(calm_bars(), 100, length, "close", "adj_close")

    assert counts(examine(bars), "IBM")["stuck"] == expected


def test_run_of_identical_closes_is_one_finding() -> None:
    closes = repeat(calm_bars(), 100, 20, "close", "adj_close")
    bars = repeat(closes, 105, 6, "open", "high", "low")

    (row,) = examine(bars).findings_of("stuck").rows(named=True)

    assert row["sessions"] == 20
    assert row["detail"].endswith(", 6 identical bars")


def test_untraded_stock_has_zero_volume_but_is_not_stuck() -> None:
    names = ("open", "high", "low", "close", "adj_close")
    bars = change(repeat(calm_bars(), 100, 30, *names), 101, 29, volume=pl.lit(0))

    report = examine(bars)

    assert counts(report, "IBM")["stuck"] == 0
    assert spans(report, "zero_volume") == [(bars["session"][101], bars["session"][129], 29)]


@pytest.mark.parametrize("ticker", ["^GSPC", "EURUSD=X"])
def test_indices_and_currency_pairs_are_exempt_from_zero_volume(ticker: str) -> None:
    bars = calm_bars().with_columns(ticker=pl.lit(ticker), volume=pl.lit(0, pl.Int64))
    stuck = repeat(bars, 100, 6, "open", "high", "low", "close", "adj_close")

    assert counts(examine(bars), ticker) == NO_FINDING
    assert counts(examine(stuck), ticker) == NO_FINDING | {"stuck": 6}


@pytest.mark.parametrize("factor", [100, 0.01])
def test_pounds_among_pence_are_two_level_changes(factor: float) -> None:
    bars = scaled(calm_bars(), 100, 3, factor)

    report = examine(bars)

    assert counts(report, "IBM") == NO_FINDING | {"level_change": 2}
    changes = report.findings_of("level_change").sort("first_session")
    assert changes["first_session"].to_list() == [bars["session"][100], bars["session"][103]]
    assert changes["size"].to_list() == pytest.approx([100, 100], rel=0.1)


def test_level_change_describes_both_closes_and_both_sources() -> None:
    bars = scaled(calm_bars(), 300, 98, 100)
    bars = change(bars, 300, 98, source=pl.lit("yahoo")).with_columns(split_factor=pl.lit(1.0))

    (row,) = examine(bars).findings_of("level_change").rows(named=True)

    assert row["detail"] == "close 20982 after 210.59, yahoo after sample"


@pytest.mark.parametrize(("factor", "expected"), [(70, 0), (85, 1), (118, 1), (140, 0)])
def test_level_change_is_a_factor_near_100(factor: float, expected: int) -> None:
    report = examine(scaled(calm_bars(), 300, 98, factor))

    assert counts(report, "IBM")["level_change"] == expected
    assert counts(report, "IBM")["outlier"] == 1 - expected


def split_by_100(bars: pl.DataFrame, split: float | None) -> pl.DataFrame:
    """Return bars with a split of 100 at row 300, where `split_factor` is `split`."""
    bare = bars.with_columns(adj_close=pl.lit(None, pl.Float64), split_factor=pl.lit(1.0))
    prices = ("open", "high", "low", "close")
    cut = change(bare, 300, 98, **{name: pl.col(name) / 100 for name in prices})
    return change(cut, 300, 1, split_factor=pl.lit(split, pl.Float64))


def test_known_split_explains_its_level_change() -> None:
    assert counts(examine(split_by_100(calm_bars(), 100.0)), "IBM") == NO_FINDING


def test_level_change_mentions_an_unknown_split() -> None:
    (row,) = examine(split_by_100(calm_bars(), None)).findings_of("level_change").rows(named=True)

    assert row["detail"].endswith(", split unknown")


def test_adj_close_explains_a_split() -> None:
    bars = split_by_100(calm_bars(), None).with_columns(calm_bars()["adj_close"])

    assert counts(examine(bars), "IBM") == NO_FINDING


def test_split_that_did_not_happen_is_a_level_change() -> None:
    bars = calm_bars().with_columns(adj_close=pl.lit(None, pl.Float64))

    report = examine(change(bars, 200, 1, split_factor=pl.lit(100.0)))

    assert counts(report, "IBM") == NO_FINDING | {"level_change": 1}
