from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from core.errors import ForecastError, NotEnoughHistoryError
from forecasting.samples.scaling import Scaler


def rows(n: int = 500) -> np.ndarray:
    scale = np.array([1e-4, 1.0, 300.0])
    return (np.random.default_rng(0).normal(size=(n, 3)) * scale + scale).astype(np.float32)


def test_scaling_equals_the_standard_scaler_of_scikit_learn() -> None:
    expected = StandardScaler().fit_transform(rows().astype(np.float64))
    np.testing.assert_allclose(Scaler.fit(rows()).transform(rows()), expected, atol=2e-5)


def test_outliers_are_clipped_as_float32() -> None:
    scaled = Scaler.fit(rows()).transform(np.array([[1e6, -1e6, 300.0]], dtype=np.float32))
    assert scaled.dtype == np.float32
    assert scaled[0, :2].tolist() == [5.0, -5.0]


def test_windows_are_scaled_along_their_last_axis() -> None:
    scaler, windows = Scaler.fit(rows()), rows().reshape(50, 10, 3)
    np.testing.assert_array_equal(
        scaler.transform(windows).reshape(-1, 3), scaler.transform(rows())
    )


def test_a_constant_feature_is_scaled_to_zero() -> None:
    constant = np.full((1000, 1), 0.1, dtype=np.float32)
    assert not Scaler.fit(constant).transform(constant).any()


def test_missing_values_are_refused_with_their_column() -> None:
    broken = rows()
    broken[3, 2] = np.nan
    with pytest.raises(ForecastError, match=r"features \[2\]"):
        Scaler.fit(broken)


def test_scaling_without_rows_is_refused() -> None:
    with pytest.raises(NotEnoughHistoryError, match="`rows`"):
        Scaler.fit(rows(0))
