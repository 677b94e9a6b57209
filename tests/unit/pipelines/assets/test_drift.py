"""Drift of every feature: the last quarter compared with the two years before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.market.bars import sample_bars

from core.errors import NotEnoughHistoryError
from forecasting.features.feature_set import compute_features, feature_set
from market.bars.adjustments import adjust_bars
from pipelines.assets.monitoring import (
    CURRENT_SIZE,
    DISTANCE,
    REFERENCE_SIZE,
    Drift,
    drift_windows,
    measure_drift,
    summarise,
)
from pipelines.settings import PipelineSettings

SESSIONS = sample_bars("IBM")["session"]


@pytest.fixture(scope="module")
def features() -> pl.DataFrame:
    bars = sample_bars("AAPL", "IBM", start=SESSIONS[-800])
    return compute_features(adjust_bars(bars), feature_set())


def test_the_windows_are_adjacent_and_end_with_the_newest_session(
    features: pl.DataFrame,
) -> None:
    reference, current = drift_windows(features)

    assert (reference.height, current.height) == (2 * REFERENCE_SIZE, 2 * CURRENT_SIZE)
    assert reference.columns == list(feature_set().names)
    newest = features.filter(pl.col("session") == SESSIONS[-1])
    assert current.tail(1).rows() == newest.select(current.columns).tail(1).rows()


def test_too_few_sessions_raise_an_error_with_the_missing_number(features: pl.DataFrame) -> None:
    complete = features.drop_nulls()["session"].unique().sort()
    short = features.filter(pl.col("session") >= complete[-180])

    with pytest.raises(NotEnoughHistoryError, match=r"got 180 .* add 9 more"):
        drift_windows(short)


def test_a_short_history_has_a_shorter_reference(features: pl.DataFrame) -> None:
    complete = features.drop_nulls()["session"].unique().sort()

    reference, current = drift_windows(features.filter(pl.col("session") >= complete[-300]))

    assert (reference.height, current.height) == (2 * (300 - CURRENT_SIZE), 2 * CURRENT_SIZE)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised by the import of Evidently
def test_a_shift_of_one_standard_deviation_is_drift(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference = pl.DataFrame({"still": rng.normal(size=1000), "moved": rng.normal(size=1000)})
    current = pl.DataFrame({"still": rng.normal(size=200), "moved": rng.normal(1, size=200)})

    drift = Drift(measure_drift(reference, current, tmp_path / "drift.html"))

    # The Wasserstein distance of a shifted distribution is the shift.
    assert drift.scores["moved"] == pytest.approx(1, abs=0.15)
    assert drift.scores["still"] < DISTANCE / 2
    assert (drift.drifted, drift.share) == (["moved"], 0.5)
    assert drift.as_frame()["feature"].to_list() == ["moved", "still"]
    assert b"<html" in (tmp_path / "drift.html").read_bytes()[:2000].lower()


def test_the_summary_names_the_drifted_features_the_largest_distance_first() -> None:
    drift = Drift({"a": DISTANCE, "b": DISTANCE / 2, "c": 2 * DISTANCE})
    summary = summarise(drift, SESSIONS[-1], PipelineSettings(drift_share=0.4))
    assert (summary.features, summary.drifted) == (3, ["c", "a"])
    assert (summary.as_of, summary.retraining_share) == (SESSIONS[-1], 0.4)
