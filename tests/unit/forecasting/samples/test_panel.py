from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import polars as pl
import pytest
from support.market.adjusted_bars import PRICES, adjusted_sample

from forecasting.features.feature_set import VOLATILITY, compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.samples.panel import Panel, build_panel
from forecasting.samples.targets import compute_targets
from forecasting.samples.windows import latest_windows

LOOKBACK = 20


@cache
def table() -> pl.DataFrame:
    return compute_features(adjusted_sample(), feature_set())


@cache
def panel() -> Panel:
    return build_panel(table(), adjusted_sample(), LOOKBACK)


def rows_until(frame: pl.DataFrame, ticker: str, session: date, n: int) -> np.ndarray:
    past = frame.filter(pl.col("ticker") == ticker, pl.col("session") <= session).tail(n)
    return past.drop("ticker", "session").cast(pl.Float32).to_numpy()


def test_every_bar_that_ends_a_complete_window_is_a_sample() -> None:
    needed = feature_set().warmup + LOOKBACK - 1
    counts = dict(panel().keys.group_by("ticker").len().iter_rows())
    bars = dict(adjusted_sample().group_by("ticker").len().iter_rows())
    assert counts == {ticker: n - needed + 1 for ticker, n in bars.items()}
    assert panel().sessions[0] == np.datetime64("2000-09-29")  # the 149th session
    assert panel().sessions[-1] == np.datetime64("2013-03-01")


def test_samples_are_sorted_by_session_then_ticker() -> None:
    assert panel().keys.equals(panel().keys.sort("session", "ticker"))


def test_a_window_contains_the_feature_rows_up_to_its_session() -> None:
    rows = [0, 1, 5000, len(panel()) - 1]
    windows = panel().windows(rows)
    assert windows.dtype == np.float32
    for row, window in zip(rows, windows, strict=True):
        ticker, session = panel().keys.row(row)
        np.testing.assert_array_equal(window, rows_until(table(), ticker, session, LOOKBACK))
    np.testing.assert_array_equal(panel().last(rows), windows[:, -1])


def test_a_mask_selects_samples() -> None:
    mask = (panel().keys["ticker"] == "FB").to_numpy()
    assert panel().windows(mask).shape == (mask.sum(), LOOKBACK, len(panel().feature_names))


def test_targets_and_volatility_belong_to_their_sample() -> None:
    targets = compute_targets(adjusted_sample())
    for row in (0, 777, 9000):
        ticker, session = panel().keys.row(row)
        at = (pl.col("ticker") == ticker) & (pl.col("session") == session)
        expected = targets.row(by_predicate=at, named=True)
        for column, h in enumerate(HORIZONS):
            assert panel().log_returns[row, column] == expected[f"log_return_{h}"]
            variance = expected[f"realised_variance_{h}"]
            assert panel().realised_variance[row, column] == variance
            target_session = expected[f"target_session_{h}"]
            assert panel().target_sessions[row, column] == np.datetime64(target_session)
        volatility = table().row(by_predicate=at, named=True)[VOLATILITY]
        assert panel().volatility[row] == volatility


def test_unknown_targets_are_nan_and_nat() -> None:
    unknown = np.isnan(panel().log_returns)
    np.testing.assert_array_equal(unknown, np.isnat(panel().target_sessions))
    np.testing.assert_array_equal(unknown, np.isnan(panel().realised_variance))
    assert unknown.sum(axis=0).tolist() == [5 * h for h in HORIZONS]
    assert np.isfinite(panel().matrix).all()


def test_daily_log_returns_cover_the_whole_history() -> None:
    daily = panel().daily
    assert daily.height == adjusted_sample().height
    assert daily["log_return"].null_count() == 5
    fall = daily.row(
        by_predicate=(pl.col("ticker") == "AAPL") & (pl.col("session") == date(2000, 9, 29)),
        named=True,
    )
    assert fall["log_return"] == pytest.approx(np.log(25.75 / 53.50), abs=1e-4)


def test_a_ticker_with_a_short_history_is_reported() -> None:
    bars = pl.concat([adjusted_sample("AAPL"), adjusted_sample("FB").head(148)])
    built = build_panel(compute_features(bars, feature_set()), bars, LOOKBACK)
    assert built.keys["ticker"].unique().to_list() == ["AAPL"]
    assert built.skipped.rows() == [("FB", 148, 149, "has 148 bars; a first window needs 149")]


def test_one_more_bar_makes_the_first_sample() -> None:
    bars = adjusted_sample("FB").head(149)
    built = build_panel(compute_features(bars, feature_set()), bars, LOOKBACK)
    assert built.keys.rows() == [("FB", bars["session"][-1])]
    assert built.skipped.is_empty()


def test_a_ticker_with_a_constant_price_is_reported() -> None:
    bars = adjusted_sample("IBM").with_columns(*(pl.lit(5.0).alias(p) for p in PRICES))
    built = build_panel(compute_features(bars, feature_set()), bars, LOOKBACK)
    assert len(built) == 0
    assert built.log_returns.shape == (0, 3)
    assert built.target_sessions.shape == (0, 3)
    assert "prices do not move" in built.skipped["reason"][0]


def test_a_gap_in_the_features_removes_every_window_that_contains_it() -> None:
    is_gap = (pl.col("ticker") == "IBM") & (pl.col("session") == date(2005, 6, 15))
    gapped = table().with_columns(gap=pl.when(~is_gap).then(pl.col("gap")))
    built = build_panel(gapped, adjusted_sample(), LOOKBACK)
    missing = panel().keys.join(built.keys, on=["ticker", "session"], how="anti")
    sessions = adjusted_sample("IBM").filter(pl.col("session") >= date(2005, 6, 15))["session"]
    assert missing["ticker"].unique().to_list() == ["IBM"]
    assert missing["session"].to_list() == sessions.head(LOOKBACK).to_list()
    keys = built.keys.with_row_index("row").filter(pl.col("ticker") == "IBM")
    after = keys.row(by_predicate=pl.col("session") == sessions[LOOKBACK], named=True)
    expected = rows_until(table(), "IBM", sessions[LOOKBACK], LOOKBACK)
    np.testing.assert_array_equal(built.windows([after["row"]])[0], expected)


def test_latest_windows_are_the_last_samples_of_the_panel() -> None:
    keys, windows = latest_windows(table(), LOOKBACK)
    assert keys.rows() == [(t, date(2013, 3, 1)) for t in ("AAPL", "FB", "GOOG", "IBM", "MSFT")]
    np.testing.assert_array_equal(windows, panel().windows(np.arange(-5, 0)))


def test_latest_windows_are_the_newest_complete_ones() -> None:
    last = pl.col("session") == date(2013, 3, 1)
    gapped = table().with_columns(gap=pl.when(~last).then(pl.col("gap")))
    keys, windows = latest_windows(gapped, LOOKBACK)
    assert set(keys["session"]) == {date(2013, 2, 28)}
    assert windows.shape == (5, LOOKBACK, len(feature_set().names))


def test_short_histories_have_no_windows() -> None:
    bars = adjusted_sample("FB").head(60)
    keys, windows = latest_windows(compute_features(bars, feature_set()), LOOKBACK)
    assert keys.is_empty()
    assert windows.shape == (0, LOOKBACK, len(feature_set().names))
