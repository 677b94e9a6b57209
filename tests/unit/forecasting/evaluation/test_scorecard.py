from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.forecasting.folds import synthetic_folds

from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import MODELS
from forecasting.evaluation.scorecard import (
    SUMMARY,
    Evaluation,
    evaluate,
    load_evaluation,
    save_evaluation,
    summarise,
)
from forecasting.scoring.diebold_mariano import diebold_mariano


@cache
def forecasts() -> pl.DataFrame:
    return combine_folds(synthetic_folds(seed=4)).forecasts


@cache
def evaluation() -> Evaluation:
    return evaluate(forecasts())


def test_every_model_and_horizon_is_scored_pooled_by_fold_and_by_ticker() -> None:
    pooled, folds, tickers = (evaluation()[key] for key in ("pooled", "folds", "tickers"))
    assert set(folds) == {"1", "2", "3"}
    assert set(tickers) == {"AAA", "BBB", "CCC"}
    assert len(evaluation()["cells"]) == 9
    for scores in (pooled, *folds.values(), *tickers.values()):
        assert set(scores) == set(MODELS)
        assert all(set(by_horizon) == {"1", "5", "21"} for by_horizon in scores.values())


def test_scores_equal_those_of_a_plain_query() -> None:
    rows = forecasts().filter(model="ensemble", horizon=5)
    scores = evaluation()["pooled"]["ensemble"]["5"]
    error = rows["log_return"] - rows["mean"]
    inside = rows["log_return"].is_between(rows["q2.5"], rows["q97.5"])
    assert scores["forecasts"] == rows.height == 3 * 150 * 3
    assert scores["sessions"] == 450
    assert scores["crps"] == pytest.approx(rows["crps"].mean())
    assert scores["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert scores["mae"] == pytest.approx((rows["log_return"] - rows["q50"]).abs().mean())
    assert scores["coverage_95"] == pytest.approx(inside.mean())


def test_skill_and_its_p_value_are_computed_on_the_same_rows() -> None:
    keys = ["as_of", "ticker"]
    own, naive = (
        forecasts().filter(model=model, horizon=21).sort(keys) for model in ("ensemble", "naive")
    )
    scores = evaluation()["pooled"]["ensemble"]["21"]
    assert scores["skill_naive"] == pytest.approx(1 - own["crps"].mean() / naive["crps"].mean())
    difference = (own["crps"] - naive["crps"]).to_numpy()
    expected = diebold_mariano(difference, own["as_of"].to_numpy(), 21).p_value
    assert scores["p_naive"] == pytest.approx(expected)


def test_a_reference_has_no_skill_against_itself() -> None:
    scores = evaluation()["pooled"]["garch"]["1"]
    assert (scores["skill_garch"], scores["p_garch"]) == (0.0, None)


def test_a_forecast_of_no_change_has_no_direction() -> None:
    assert evaluation()["pooled"]["naive"]["1"]["direction_accuracy"] is None


def test_the_order_of_rows_does_not_change_the_scores() -> None:
    assert evaluate(forecasts().sample(fraction=1.0, shuffle=True, seed=1)) == evaluation()


def test_the_evaluation_is_plain_json_without_nan() -> None:
    assert json.loads(json.dumps(evaluation(), allow_nan=False)) == evaluation()


def test_an_evaluation_equals_itself_after_saving_and_loading(tmp_path: Path) -> None:
    save_evaluation(evaluation(), tmp_path)
    assert load_evaluation(tmp_path) == evaluation()


def test_the_summary_has_the_scores_of_a_manifest() -> None:
    summary = summarise(evaluation()["pooled"])
    assert set(summary["ensemble"]["1"]) == set(SUMMARY)
