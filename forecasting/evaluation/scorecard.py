"""Scores of out-of-sample forecasts: every metric for every model, pooled, by fold and by ticker.

The formulas are in `forecasting.scoring`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.distribution.levels import COVERAGES, column_of, interval_levels
from forecasting.evaluation.reliability import Reliability, measure_reliability
from forecasting.evaluation.result import MODELS
from forecasting.models.base import REFERENCES
from forecasting.scoring.diebold_mariano import diebold_mariano
from forecasting.scoring.direction import direction_accuracy
from forecasting.scoring.long_run import standard_error
from forecasting.scoring.metrics import coverage, interval_score, mae, rmse, skill

Array = npt.NDArray[np.float64]
Scores = dict[str, float | int | None]
ByModel = dict[str, dict[str, Scores]]

ROW = ["as_of", "ticker"]
# A smaller absolute median is a rounding error of zero, which is no call of a direction.
ROUNDING = 1e-12
EVALUATION_FILE = "evaluation.json"
# Scores in the manifest of a bundle and on the page of a model version.
SUMMARY = (
    "crps",
    "skill_naive",
    "skill_garch",
    "coverage_80",
    "coverage_95",
    "coverage_99",
    "direction_accuracy",
    "direction_base_rate",
)


class Cell(TypedDict):
    """Scores of one fold and ticker."""

    fold: int
    ticker: str
    models: ByModel


class Evaluation(TypedDict):
    """Scores of all models, see `evaluate`. JSON can represent every value."""

    pooled: ByModel
    folds: dict[str, ByModel]
    tickers: dict[str, ByModel]
    cells: list[Cell]
    reliability: dict[str, dict[str, Reliability]]


def evaluate(forecasts: pl.DataFrame) -> Evaluation:
    """Score every model at every horizon.

    Parameters
    ----------
    forecasts
        `WalkForwardResult.forecasts`: the same rows for all models, with known outcomes.

    Returns
    -------
    Evaluation
        ``pooled`` maps model -> horizon -> scores. ``folds`` and ``tickers`` contain the same for
        each fold and for each ticker, ``cells`` for each pair of fold and ticker. ``reliability``
        maps model -> horizon -> `forecasting.evaluation.reliability.Reliability`. Losses are in
        units of the log return. Skill is 1 - CRPS / CRPS of the reference, with the p-value of the
        two-sided Diebold-Mariano test. The standard error of a coverage is robust to
        autocorrelation. An undefined score, such as a p-value for too few sessions, is None.
    """
    return {
        "pooled": _by_model(forecasts),
        "folds": {str(fold): _by_model(rows) for (fold,), rows in _partition(forecasts, "fold")},
        "tickers": {
            str(ticker): _by_model(rows) for (ticker,), rows in _partition(forecasts, "ticker")
        },
        "cells": [
            {"fold": fold, "ticker": ticker, "models": _by_model(rows)}
            for (fold, ticker), rows in _partition(forecasts, "fold", "ticker")
        ],
        "reliability": {
            model: {
                str(horizon): measure_reliability(rows.filter(model=model).sort(ROW))
                for (horizon,), rows in _partition(forecasts, "horizon")
            }
            for model in MODELS
        },
    }


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation` as ``evaluation.json`` into the existing `folder`."""
    (folder / EVALUATION_FILE).write_text(json.dumps(evaluation, indent=1))


def load_evaluation(folder: Path) -> Evaluation:
    """Read the file that `save_evaluation` wrote into `folder`."""
    evaluation: Evaluation = json.loads((folder / EVALUATION_FILE).read_text())
    return evaluation


def summarise(pooled: Mapping[str, Mapping[str, Scores]]) -> dict[str, dict[str, Scores]]:
    """Return the scores of `SUMMARY`, which a bundle contains: model -> horizon -> metric."""
    return {
        model: {
            horizon: {name: scores[name] for name in SUMMARY}
            for horizon, scores in by_horizon.items()
        }
        for model, by_horizon in pooled.items()
    }


def _partition(
    forecasts: pl.DataFrame, *columns: str
) -> Sequence[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Return the values of `columns` with their rows, sorted by value."""
    parts = forecasts.partition_by(columns, as_dict=True, maintain_order=True)
    return sorted(parts.items(), key=lambda part: part[0])


def _by_model(forecasts: pl.DataFrame) -> ByModel:
    scores: ByModel = {model: {} for model in MODELS}
    for (horizon,), rows in _partition(forecasts, "horizon"):
        models = {model: rows.filter(model=model).sort(ROW) for model in MODELS}
        losses = {model: frame["crps"].to_numpy() for model, frame in models.items()}
        for model, frame in models.items():
            scores[model][str(horizon)] = {
                **_own_scores(frame, horizon),
                **_relative_scores(losses, model, frame["as_of"], horizon),
            }
    return scores


def _own_scores(rows: pl.DataFrame, horizon: int) -> Scores:
    outcome, mean, median = (rows[name].to_numpy() for name in ("log_return", "mean", "q50"))
    direction = direction_accuracy(outcome, np.where(np.abs(median) < ROUNDING, 0.0, median))
    scores: Scores = {
        "forecasts": rows.height,
        "sessions": rows["as_of"].n_unique(),
        "crps": float(rows["crps"].to_numpy().mean()),
        "mae": mae(outcome, median),
        "rmse": rmse(outcome, mean),
        "direction_accuracy": direction.accuracy,
        "direction_low": direction.low,
        "direction_high": direction.high,
        "direction_base_rate": direction.base_rate,
    }
    for level in COVERAGES:
        low, high = (rows[column_of(p)].to_numpy() for p in interval_levels(level))
        name = f"{100 * level:.0f}"
        scores[f"coverage_{name}"] = coverage(outcome, low, high)
        is_inside = ((low <= outcome) & (outcome <= high)).astype(np.float64)
        error = standard_error(is_inside, rows["as_of"].to_numpy(), horizon)
        scores[f"coverage_{name}_error"] = error
        scores[f"interval_score_{name}"] = float(interval_score(outcome, low, high, level).mean())
    return scores


def _relative_scores(
    losses: Mapping[str, Array], model: str, sessions: pl.Series, horizon: int
) -> Scores:
    """Return skill and p-value of `model` against each reference."""
    scores: Scores = {}
    for reference in REFERENCES:
        if reference == model:
            scores |= {f"skill_{reference}": 0.0, f"p_{reference}": None}
            continue
        loss, reference_loss = losses[model], losses[reference]
        test = diebold_mariano(loss - reference_loss, sessions.to_numpy(), horizon)
        scores[f"skill_{reference}"] = skill(float(loss.mean()), float(reference_loss.mean()))
        scores[f"p_{reference}"] = test.p_value
    return scores
