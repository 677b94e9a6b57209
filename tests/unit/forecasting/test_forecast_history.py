"""The file with the past forecasts of a version."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.forecasting.scored_forecasts import scored_forecasts

from forecasting.forecast_history import SESSIONS, read_history, select_history, write_history


def test_the_newest_forecasts_of_the_model_are_selected() -> None:
    forecasts = scored_forecasts()
    history = select_history(forecasts, "ensemble")
    for (ticker, horizon), rows in history.partition_by("ticker", "horizon", as_dict=True).items():
        mine = forecasts.filter(model="ensemble", ticker=ticker, horizon=horizon).sort("as_of")
        expected = mine.tail(SESSIONS)
        assert rows["as_of"].to_list() == expected["as_of"].to_list()
        assert rows["q50"].to_list() == pytest.approx(expected["q50"].to_list(), rel=1e-6)
        assert rows["log_return"].to_list() == pytest.approx(
            expected["log_return"].to_list(), rel=1e-6
        )


def test_one_ticker_and_horizon_are_read(tmp_path: Path) -> None:
    history = select_history(scored_forecasts(), "ensemble")
    write_history(history, tmp_path / "h.parquet")
    ticker = history["ticker"][0]
    read = read_history(tmp_path / "h.parquet", ticker, 5)
    assert read.equals(history.filter(ticker=ticker, horizon=5))
    assert read_history(tmp_path / "h.parquet", "NOPE", 5).is_empty()
    assert history.schema["crps"] == pl.Float32
