"""Plots of forecasts, scores and models, as PNG bytes.

matplotlib is imported inside functions, because the import takes a second.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from forecasting.horizons import LABEL_OF
from forecasting.models.base import MEMBERS
from forecasting.models.diagnostics import FeatureImportance, TrainingHistory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    "naive": "#9aa0a6",
    "garch": "#e8710a",
    "linear": "#12b5cb",
    "student": "#f9ab00",
    "forest": "#188038",
    "lstm": "#9334e6",
    "ensemble": "#1a73e8",
}
BANDS = (("q0.5", "q99.5", 0.12), ("q2.5", "q97.5", 0.18), ("q10", "q90", 0.28))
SHOWN_SESSIONS = 126
SHOWN_FEATURES = 35


def inline(picture: bytes, title: str) -> dg.MarkdownMetadataValue:
    """Return metadata that shows the PNG `picture` in the Dagster UI."""
    text = base64.b64encode(picture).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{text})")


def forecast_fan(forecasts: pl.DataFrame, ticker: str, horizon: int) -> bytes:
    """Draw the ensemble's 80, 95 and 99 % intervals with the realised returns of `ticker`."""
    rows = (
        forecasts.filter(model="ensemble", ticker=ticker, horizon=horizon)
        .sort("target_session")
        .tail(SHOWN_SESSIONS)
    )
    figure, (axes,) = _figure(1)
    sessions = rows["target_session"].to_numpy()
    for low, high, alpha in BANDS:
        axes.fill_between(
            sessions,
            100 * rows[low].to_numpy(),
            100 * rows[high].to_numpy(),
            color=COLOURS["ensemble"],
            alpha=alpha,
            linewidth=0,
            label=f"{float(high[1:]) - float(low[1:]):g} % interval",
        )
    axes.plot(sessions, 100 * rows["log_return"].to_numpy(), "k.", markersize=3, label="realised")
    axes.plot(sessions, 100 * rows["q50"].to_numpy(), color=COLOURS["ensemble"], label="median")
    axes.set(
        title=f"{ticker}, horizon {LABEL_OF[horizon]}: out-of-sample forecasts",
        ylabel="log return, %",
    )
    axes.legend(fontsize=8, ncols=5, loc="upper left")
    figure.autofmt_xdate()
    return to_png(figure)


def calibration(forecasts: pl.DataFrame) -> bytes:
    """Draw how often the outcome fell below each forecast quantile, one panel a horizon."""
    quantiles = [name for name in forecasts.columns if name.startswith("q")]
    nominal = np.array([float(name[1:]) / 100 for name in quantiles])
    horizons = forecasts["horizon"].unique().sort().to_list()
    figure, panels = _figure(len(horizons))
    observed = forecasts.group_by("horizon", "model").agg(
        (pl.col("log_return") <= pl.col(name)).mean().alias(name) for name in quantiles
    )
    for axes, horizon in zip(panels, horizons, strict=True):
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for model, colour in COLOURS.items():
            row = observed.filter(horizon=horizon, model=model).select(quantiles)
            if row.height:
                axes.plot(nominal, row.row(0), ".-", color=colour, label=model, linewidth=1)
        axes.set(title=f"horizon {LABEL_OF[horizon]}", xlabel="forecast probability")
    panels[0].set_ylabel("observed frequency")
    panels[0].legend(fontsize=8)
    return to_png(figure)


def weights(by_horizon: Mapping[int, Sequence[Mapping[str, float]]]) -> bytes:
    """Draw the weights of the members by fold: horizon -> one mapping a scored fold."""
    figure, panels = _figure(len(by_horizon))
    for axes, (horizon, folds) in zip(panels, sorted(by_horizon.items()), strict=True):
        bottom = np.zeros(len(folds))
        for member in MEMBERS:
            share = np.array([fold.get(member, 0.0) for fold in folds])
            axes.bar(
                range(1, len(folds) + 1), share, bottom=bottom, color=COLOURS[member], label=member
            )
            bottom += share
        axes.set(title=f"horizon {LABEL_OF[horizon]}", xlabel="fold", ylim=(0, 1.05))
    panels[0].set_ylabel("weight of the scale")
    panels[0].legend(fontsize=8)
    return to_png(figure)


def importance(importance: FeatureImportance) -> bytes:
    """Draw the largest impurity importances of the forest, the largest at the top."""
    values = np.asarray(importance.values)
    order = np.argsort(values)[-SHOWN_FEATURES:]
    figure, (axes,) = _figure(1, height=0.18 * len(order) + 1)
    axes.barh([importance.names[i] for i in order], values[order], color=COLOURS["forest"])
    axes.set(title="Feature importance of the forest", xlabel="share of the impurity decrease")
    axes.tick_params(labelsize=7)
    return to_png(figure)


def loss_curve(history: TrainingHistory) -> bytes:
    """Draw the LSTM's loss by epoch, on the training rows and on the validation rows."""
    figure, (axes,) = _figure(1)
    for name, losses in sorted(asdict(history).items()):
        axes.plot(range(1, len(losses) + 1), losses, ".-", label=name)
    axes.set(title="Loss of the LSTM", xlabel="epoch", ylabel="squared error of the log scale")
    axes.legend()
    return to_png(figure)


def _figure(panels: int, height: float = 3.6) -> tuple["Figure", list[Any]]:
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second

    figure = Figure(figsize=(9 if panels == 1 else 3.6 * panels, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for panel in axes:
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def to_png(figure: "Figure") -> bytes:
    """Return `figure` as a PNG. Equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
