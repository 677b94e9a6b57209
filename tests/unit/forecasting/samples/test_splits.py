from __future__ import annotations

import logging
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.adjusted_bars import adjusted_sample

from core.errors import NotEnoughHistoryError, SettingsError
from forecasting.features.feature_set import compute_features, feature_set
from forecasting.samples.panel import Panel, build_panel
from forecasting.samples.splits import WalkForward, forecast_rows, training_rows

# (cutoff, first and last test session), from the XNYS calendar of exchange_calendars: test sets of
# 252 sessions that end at 2013-03-01, the first one of 504, each 27 sessions after its cutoff.
SAMPLE_FOLDS = [
    ("2006-01-19", "2006-02-28", "2008-02-28"),
    ("2008-01-22", "2008-02-29", "2009-02-27"),
    ("2009-01-21", "2009-03-02", "2010-03-01"),
    ("2010-01-21", "2010-03-02", "2011-02-28"),
    ("2011-01-20", "2011-03-01", "2012-02-28"),
    ("2012-01-20", "2012-02-29", "2013-03-01"),
]


@cache
def sample_panel() -> Panel:
    bars = adjusted_sample()
    return build_panel(compute_features(bars, feature_set()), bars, lookback=20)


def sessions(n: int) -> np.ndarray:
    return np.arange(n).astype("datetime64[D]")


def test_the_folds_of_the_sample_have_the_expected_sessions() -> None:
    folds = WalkForward().split(sample_panel().sessions)
    assert [f.index for f in folds] == [0, 1, 2, 3, 4, 5]
    found = [(str(f.cutoff), str(f.test[0]), str(f.test[-1])) for f in folds]
    assert found == SAMPLE_FOLDS
    assert all(str(f.train[0]) == "2000-09-29" for f in folds)


def test_rolling_training_moves_with_the_test() -> None:
    folds = WalkForward(mode="rolling").split(sample_panel().sessions)
    assert [(str(f.cutoff), str(f.test[0]), str(f.test[-1])) for f in folds] == SAMPLE_FOLDS
    assert [len(f.train) for f in folds] == [504] * 6
    assert str(folds[-1].train[0]) == "2010-01-22"


@pytest.mark.parametrize("mode", ["expanding", "rolling"])
def test_every_training_target_is_known_before_the_test(
    mode: Literal["expanding", "rolling"],
) -> None:
    panel = sample_panel()
    for fold in WalkForward(mode=mode).split(panel.sessions):
        rows = training_rows(panel, fold)
        assert (panel.target_sessions[rows].max(axis=1) < fold.test[0]).all()
        assert np.isfinite(panel.log_returns[rows]).all()
        assert panel.sample_sessions[rows].max() == np.datetime64(fold.cutoff)
        first_test = np.searchsorted(panel.sessions, fold.test[0])
        assert panel.sessions[first_test - 27] == fold.train[-1]


def test_every_sample_of_a_test_session_is_forecast_once() -> None:
    panel = sample_panel()
    folds = WalkForward().split(panel.sessions)
    rows = np.concatenate([forecast_rows(panel, fold) for fold in folds])
    assert len(rows) == len(set(rows.tolist()))
    inside = panel.sample_sessions >= np.datetime64("2006-02-28")
    np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(inside))


def test_training_targets_of_a_ticker_with_missing_bars_do_not_reach_the_test() -> None:
    fold = WalkForward().split(sample_panel().sessions)[3]
    is_paused = (pl.col("ticker") == "IBM") & pl.col("session").is_between(
        date(2010, 1, 20), date(2010, 3, 5)
    )
    bars = adjusted_sample().filter(~is_paused)
    panel = build_panel(compute_features(bars, feature_set()), bars, lookback=20)
    rows = training_rows(panel, fold)
    assert (panel.target_sessions[rows] < fold.test[0]).all()
    newest = panel.keys[rows].filter(pl.col("ticker") == "IBM")["session"].max()
    # 21 bars before 2010-01-19, the last bar before the pause.
    assert newest == date(2009, 12, 16)


@given(
    n=st.integers(120, 1500),
    n_folds=st.integers(1, 8),
    test_size=st.integers(21, 300),
    min_train_size=st.integers(1, 400),
    purged_size=st.integers(21, 60),
    embargo_size=st.integers(0, 20),
    mode=st.sampled_from(["expanding", "rolling"]),
)
def test_folds_have_their_properties_for_any_sizes(
    n: int,
    mode: Literal["expanding", "rolling"],
    min_train_size: int,
    purged_size: int,
    embargo_size: int,
    **sizes: int,
) -> None:
    walk = WalkForward(
        mode=mode,
        min_train_size=min_train_size,
        purged_size=purged_size,
        embargo_size=embargo_size,
        **sizes,
    )
    days = sessions(n)
    try:
        folds = walk.split(days)
    except NotEnoughHistoryError:
        needed = min_train_size + purged_size + embargo_size + 21 * (walk.n_folds + 1)
        assert n < needed
        return
    assert len(folds) == walk.n_folds + 1
    assert folds[-1].test[-1] == days[-1]
    one_day = np.timedelta64(1, "D")
    for before, after in pairwise(folds):
        assert after.test[0] == before.test[-1] + one_day
    test_size = len(folds[1].test)
    assert 21 <= test_size <= walk.test_size
    # The burn-in is twice as long, unless its training would be too short.
    spare = len(folds[0].train) > min_train_size and mode == "expanding"
    assert test_size <= len(folds[0].test) <= 2 * test_size
    assert not spare or len(folds[0].test) == 2 * test_size
    for fold in folds:
        assert fold.index == 0 or len(fold.test) == test_size
        assert len(fold.train) >= min_train_size
        assert fold.test[0] - fold.train[-1] == (purged_size + embargo_size + 1) * one_day
        if mode == "rolling":
            assert len(fold.train) == min_train_size
        else:
            assert fold.train[0] == days[0]


def test_a_short_history_reduces_the_test_size_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        folds = WalkForward().split(sessions(504 + 26 + 6 * 100 + 5))
    assert [len(fold.test) for fold in folds] == [105, 100, 100, 100, 100, 100]
    assert len(folds[0].train) == 504
    assert "`test_size` is reduced from 252 to 100" in caplog.text


def test_a_history_that_is_too_short_is_refused_with_the_needed_size() -> None:
    with pytest.raises(NotEnoughHistoryError, match=r"at least 656 sessions .* got 655"):
        WalkForward().split(sessions(655))
    assert len(WalkForward().split(sessions(656))) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"purged_size": 20}, r"`purged_size` must be at least the longest horizon \(21\), got 20"),
        ({"n_folds": 0}, "`n_folds` must be at least 1, got 0"),
        ({"test_size": 20}, "`test_size` must be at least 21, got 20"),
        ({"embargo_size": -1}, "`embargo_size` must be at least 0, got -1"),
        ({"min_train_size": 0}, "`min_train_size` must be at least 1, got 0"),
        ({"mode": "anchored"}, "`mode` must be 'expanding' or 'rolling', got 'anchored'"),
    ],
)
def test_sizes_outside_their_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        WalkForward(**change)
