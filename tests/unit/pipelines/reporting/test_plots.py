"""Plots are PNG files that fit a page."""

from __future__ import annotations

import base64
import struct

import polars as pl
import pytest
from support.forecasting.scored_forecasts import scored_forecasts

from forecasting.features.feature_set import feature_set
from forecasting.models.diagnostics import FeatureImportance, TrainingHistory
from pipelines.reporting import plots

HISTORY = TrainingHistory(loss=[1.4, 1.2, 1.1], val_loss=[1.5, 1.3, 1.35])
WEIGHTS = {h: [{"forest": 0.4, "lstm": 0.6}, {"forest": 1.0, "lstm": 0.0}] for h in (1, 5, 21)}


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height from the header of the PNG."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def draw_all() -> dict[str, bytes]:
    forecasts, names = scored_forecasts(), list(feature_set().names)
    return {
        "fan": plots.forecast_fan(forecasts, "AAA", 5),
        "calibration": plots.calibration(forecasts),
        "weights": plots.weights(WEIGHTS),
        "importance": plots.importance(FeatureImportance(names, [1 / len(names)] * len(names))),
        "loss": plots.loss_curve(HISTORY),
    }


@pytest.mark.parametrize("name", ["fan", "calibration", "weights", "importance", "loss"])
def test_a_plot_is_a_png_that_fits_a_page(name: str) -> None:
    picture = draw_all()[name]
    width, height = size_of(picture)

    assert 800 <= width <= 1200
    assert 300 <= height <= 900
    assert 5_000 < len(picture) < 200_000


def test_equal_numbers_give_equal_bytes() -> None:
    assert draw_all() == draw_all()


def test_different_numbers_give_a_different_picture() -> None:
    forecasts = scored_forecasts()
    wider = forecasts.with_columns(pl.col("q99.5") + 0.02)

    assert plots.forecast_fan(wider, "AAA", 5) != plots.forecast_fan(forecasts, "AAA", 5)


def test_a_model_without_forecasts_is_left_out_of_the_calibration() -> None:
    forecasts = scored_forecasts().filter(pl.col("model").is_in(["naive", "ensemble"]))

    assert size_of(plots.calibration(forecasts))


def test_a_single_horizon_is_enough() -> None:
    assert size_of(plots.calibration(scored_forecasts().filter(horizon=5)))


def test_an_inline_picture_is_markdown_with_the_bytes_of_the_picture() -> None:
    picture = plots.loss_curve(HISTORY)

    text = plots.inline(picture, "Loss").value

    head, _, data = text.partition("base64,")
    assert head == "![Loss](data:image/png;"
    assert base64.b64decode(data.removesuffix(")")) == picture
