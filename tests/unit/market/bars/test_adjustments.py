"""Adjusted bars against the splits and dividends that the companies declared."""

from datetime import date
from math import log

import polars as pl
import pytest
from support.market.bars import sample_bars, synthetic_bars
from support.market.sample_actions import sample_actions, with_sample_actions

from market.bars.adjustments import adjust_bars
from market.bars.contract import BAR_SCHEMA

COLUMNS = ["ticker", "session", "open", "high", "low", "close", "volume"]


def log_return(adjusted: pl.DataFrame, session: date) -> float:
    closes = adjusted.filter(pl.col("session") <= session).get_column("close").tail(2)
    return log(closes[1] / closes[0])


def bars(rows: list[tuple[float, float | None, int, float | None, float | None]]) -> pl.DataFrame:
    """Return bars of one ticker from (close, adj_close, volume, split_factor, dividend) rows."""
    base = synthetic_bars(("AAA",), n_sessions=len(rows))
    close, adj_close, volume, split, dividend = zip(*rows, strict=True)
    return base.with_columns(
        *(pl.Series(name, close, dtype=pl.Float64) for name in ("open", "high", "low", "close")),
        pl.Series("adj_close", adj_close, dtype=pl.Float64),
        pl.Series("volume", volume, dtype=pl.Int64),
        pl.Series("split_factor", split, dtype=pl.Float64),
        pl.Series("dividend", dividend, dtype=pl.Float64),
    ).select(BAR_SCHEMA.names())


@pytest.mark.parametrize(
    ("ticker", "session", "close_before", "close_after"),
    [
        ("AAPL", date(2000, 6, 21), 101.25, 55.63),
        ("AAPL", date(2005, 2, 28), 88.99, 44.86),
        ("MSFT", date(2003, 2, 18), 48.30, 24.96),
    ],
)
def test_two_for_one_split_keeps_the_return_of_a_holder(
    ticker: str, session: date, close_before: float, close_after: float
) -> None:
    adjusted = adjust_bars(sample_bars(ticker))

    assert log_return(adjusted, session) == pytest.approx(
        log(2 * close_after / close_before), abs=1e-5
    )


def test_special_dividend_is_part_of_the_return() -> None:
    # Microsoft paid 3.00 and 0.08 dollars on the ex-date 2004-11-15; closes 29.97 and 27.39.
    adjusted = adjust_bars(sample_bars("MSFT"))

    assert log_return(adjusted, date(2004, 11, 15)) == pytest.approx(
        log((27.39 + 3.08) / 29.97), abs=1e-5
    )


def test_true_fall_by_half_is_kept() -> None:
    adjusted = adjust_bars(sample_bars("AAPL"))

    assert log_return(adjusted, date(2000, 9, 29)) == pytest.approx(log(25.75 / 53.50), abs=1e-5)


@pytest.mark.parametrize(
    ("ticker", "splits"),
    [
        ("AAPL", [date(2000, 6, 21), date(2005, 2, 28)]),
        ("MSFT", [date(2003, 2, 18)]),
        ("IBM", []),
        ("GOOG", []),
        ("FB", []),
    ],
)
def test_volume_is_scaled_at_the_splits_of_the_sample_only(ticker: str, splits: list[date]) -> None:
    traded = sample_bars(ticker)

    scale = adjust_bars(traded).get_column("volume") / traded.get_column("volume")

    for session, factor in zip(traded.get_column("session"), scale, strict=True):
        later = sum(split > session for split in splits)
        assert factor == pytest.approx(2**later, rel=1e-4)


def test_prices_follow_a_known_adj_close() -> None:
    traded = sample_bars("IBM")

    adjusted = adjust_bars(traded)

    assert adjusted.columns == COLUMNS
    assert adjusted.get_column("close").to_numpy() == pytest.approx(
        traded.get_column("adj_close").to_numpy()
    )
    for name in ("open", "high", "low"):
        ratio = adjusted.get_column(name) / adjusted.get_column("close")
        assert ratio.to_numpy() == pytest.approx(
            (traded.get_column(name) / traded.get_column("close")).to_numpy()
        )


def test_declared_dividends_give_the_adjusted_closes_of_the_sample() -> None:
    # IBM's dividends of 2012 and 2013, by ex-date, from its investor relations pages.
    dividends = {
        date(2012, 2, 8): 0.75,
        date(2012, 5, 8): 0.85,
        date(2012, 8, 8): 0.85,
        date(2012, 11, 7): 0.85,
        date(2013, 2, 6): 0.85,
    }
    sample = sample_bars("IBM", start=date(2012, 1, 3))
    declared = sample.with_columns(
        adj_close=None,
        split_factor=pl.lit(1.0),
        dividend=pl.col("session").replace_strict(dividends, default=0.0, return_dtype=pl.Float64),
    )

    adjusted = adjust_bars(declared).get_column("close")

    # The scale of the sample includes later dividends, so both are scaled to one last close.
    given = sample.get_column("adj_close")
    expected = given * (adjusted[-1] / given[-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


@pytest.mark.parametrize("ticker", ["AAPL", "GOOG", "IBM", "MSFT"])
def test_actions_give_the_adjusted_closes_of_the_sample(
    ticker: str,
) -> None:
    sample = sample_bars(ticker)

    adjusted = adjust_bars(with_sample_actions(sample))

    given = sample.get_column("adj_close")
    expected = given * (adjusted.get_column("close")[-1] / given[-1])
    assert adjusted.get_column("close").to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    # Volume depends on splits only, whether they are known or inferred.
    inferred = adjust_bars(sample).get_column("volume")
    assert adjusted.get_column("volume").to_numpy() == pytest.approx(inferred.to_numpy(), rel=1e-4)


def test_actions_of_the_sample_equal_the_declared_ones() -> None:
    splits = sample_actions().filter(pl.col("split_factor") != 1.0)

    assert splits.rows() == [
        ("AAPL", date(2000, 6, 21), 2.0, 0.0),
        ("AAPL", date(2005, 2, 28), 2.0, 0.0),
        ("MSFT", date(2003, 2, 18), 2.0, 0.0),
    ]
    assert ("MSFT", date(2004, 11, 15), 1.0, 3.08) in sample_actions("MSFT").rows()
    # Apple paid its first dividend since 1995 in August 2012.
    assert sample_actions("AAPL").filter(pl.col("dividend") > 0).rows() == [
        ("AAPL", date(2012, 8, 9), 1.0, 2.65),
        ("AAPL", date(2012, 11, 7), 1.0, 2.65),
        ("AAPL", date(2013, 2, 7), 1.0, 2.65),
    ]


@pytest.mark.parametrize("ticker", ["AAPL", "MSFT"])
def test_actions_continue_a_history_of_adjusted_closes_without_a_jump(
    ticker: str,
) -> None:
    # The first part comes from files or a backup, the rest from Alpha Vantage.
    sample, cut = sample_bars(ticker), date(2002, 12, 31)
    continued = pl.concat(
        [
            sample.filter(pl.col("session") <= cut),
            with_sample_actions(sample).filter(pl.col("session") > cut),
        ]
    )

    adjusted = adjust_bars(continued)

    given = sample.get_column("adj_close")
    expected = given * (adjusted.get_column("close")[-1] / given[-1])
    assert adjusted.get_column("close").to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
    inferred = adjust_bars(sample).get_column("volume")
    scale = adjusted.get_column("volume")[-1] / inferred[-1]
    assert adjusted.get_column("volume").to_numpy() == pytest.approx(
        (inferred * scale).to_numpy(), rel=1e-4
    )


def test_actions_adjust_bars_without_adj_close() -> None:
    adjusted = adjust_bars(
        bars([(100, None, 10, 1, 0), (99, None, 10, 1, 1), (33, None, 30, 3, 0)])
    )

    assert adjusted.get_column("close").to_list() == pytest.approx([99 / 100 * 100 / 3, 33, 33])
    assert adjusted.get_column("volume").to_list() == pytest.approx([30, 30, 30])


def test_unknown_actions_change_nothing() -> None:
    adjusted = adjust_bars(bars([(100, None, 10, None, None), (50, None, 20, None, None)]))

    assert adjusted.get_column("close").to_list() == [100, 50]
    assert adjusted.get_column("volume").to_list() == [10, 20]


def test_gap_in_adj_close_makes_no_jump() -> None:
    adjusted = adjust_bars(
        bars([(10, 5, 1, 1, 0), (10, None, 1, 1, 0), (10, 5, 1, 1, 0), (11, None, 1, 1, 0)])
    )

    assert adjusted.get_column("close").to_list() == pytest.approx([5, 5, 5, 5.5])


def test_split_after_the_last_adj_close_is_applied() -> None:
    adjusted = adjust_bars(bars([(10, 10, 1, 1, 0), (5, None, 2, 2, 0)]))

    assert log_return(adjusted, date(2010, 1, 5)) == pytest.approx(0)
    assert adjusted.get_column("volume").to_list() == pytest.approx([2, 2])


def test_reverse_split_is_inferred() -> None:
    adjusted = adjust_bars(bars([(1, 10, 1000, None, None), (10, 10, 100, None, None)]))

    assert adjusted.get_column("volume").to_list() == pytest.approx([100, 100])


def test_five_for_four_split_is_inferred_but_an_ordinary_dividend_is_not() -> None:
    split = adjust_bars(bars([(100, 79.99, 100, None, None), (80, 80, 125, None, None)]))
    dividend = adjust_bars(bars([(100, 90, 100, None, None), (90, 90, 100, None, None)]))

    assert split.get_column("volume").to_list() == pytest.approx([125, 125], rel=1e-3)
    assert dividend.get_column("volume").to_list() == [100, 100]


def test_known_split_factor_takes_precedence_over_the_jump() -> None:
    # A dividend of a third of the price looks like a split; `split_factor` excludes it.
    adjusted = adjust_bars(bars([(90, 60, 100, 1, 0), (60, 60, 100, 1, 30)]))

    assert adjusted.get_column("volume").to_list() == [100, 100]


def test_tickers_are_adjusted_independently() -> None:
    both = adjust_bars(sample_bars("AAPL", "MSFT"))

    separate = pl.concat([adjust_bars(sample_bars("AAPL")), adjust_bars(sample_bars("MSFT"))])

    assert both.equals(separate)


def test_later_bars_change_the_scale_but_not_the_returns() -> None:
    whole = adjust_bars(sample_bars("AAPL"))
    early = adjust_bars(sample_bars("AAPL", end=date(2004, 12, 31)))
    shared = whole.head(early.height)

    for name in ("close", "volume"):
        ratio = shared.get_column(name) / early.get_column(name)
        assert ratio.to_numpy() == pytest.approx(ratio[0], rel=1e-5)
