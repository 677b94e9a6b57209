"""The reports of the main job on real bars, recomputed from the raw sample."""

from __future__ import annotations

import json
import re
from datetime import date

import numpy as np
import polars as pl
import pytest
from support.market.bars import sample_bars
from support.pipelines.command_runs import Finished
from support.pipelines.main_job import FOLDS, HORIZONS, MODELS, START, TEST_SIZE, TICKERS

from pipelines.report_page.sections import MEMBER_PLOTS, SCORE_PLOTS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.in_order,
    # On a busy machine the runs of the first test take minutes.
    pytest.mark.timeout(600),
]

GAP = 21 + 5
LEVELS = ("0.5", "1", "2.5", "5", "10", "25", "50", "75", "90", "95", "97.5", "99", "99.5")


@pytest.fixture(scope="module")
def forecasts(finished: Finished) -> pl.DataFrame:
    return pl.read_parquet(finished.home.path / "reports" / "forecasts.parquet")


@pytest.fixture(scope="module")
def evaluation(finished: Finished) -> dict[str, object]:
    return json.loads((finished.home.path / "reports" / "evaluation.json").read_text())


def sessions_of(ticker: str) -> list[date]:
    return sample_bars(ticker, start=START)["session"].to_list()


def test_the_reports_have_scores_for_every_model_horizon_and_fold(
    evaluation: dict[str, object],
) -> None:
    folds = evaluation["folds"]
    assert set(folds) == {str(n) for n in range(1, FOLDS + 1)}
    for by_model in (evaluation["pooled"], *folds.values()):
        assert set(by_model) == set(MODELS)
        for by_horizon in by_model.values():
            assert set(by_horizon) == {str(h) for h in HORIZONS}
            for scores in by_horizon.values():
                assert scores["crps"] > 0
                assert 0 <= scores["coverage_95"] <= 1
    tickers = {cell["ticker"] for cell in evaluation["cells"]}
    assert tickers == set(TICKERS)


def test_every_out_of_sample_forecast_is_reported_with_its_outcome(forecasts: pl.DataFrame) -> None:
    key = ["ticker", "as_of", "target_session", "horizon", "fold", "model"]
    quantiles = [f"q{level}" for level in LEVELS]

    values = ["log_return", "crps", "probability_up", "pit"]
    assert forecasts.columns == [*key, "mean", *quantiles, *values]
    assert not forecasts.select(key).is_duplicated().any()
    assert forecasts.null_count().sum_horizontal().item() == 0
    assert forecasts.group_by("fold", "horizon", "model").len().height == (
        FOLDS * len(HORIZONS) * len(MODELS)
    )
    surface = forecasts.select(quantiles).to_numpy()
    assert np.isfinite(surface).all()
    assert (np.diff(surface, axis=1) >= 0).all()


def test_realised_returns_and_target_sessions_match_the_raw_sample(forecasts: pl.DataFrame) -> None:
    for ticker in TICKERS:
        raw = sample_bars(ticker, start=START)
        sessions, price = raw["session"].to_list(), raw["adj_close"].to_numpy()
        place = {session: i for i, session in enumerate(sessions)}
        for horizon in HORIZONS:
            rows = forecasts.filter(ticker=ticker, horizon=horizon)
            start = np.array([place[session] for session in rows["as_of"]])
            expected = np.log(price[start + horizon] / price[start])
            np.testing.assert_allclose(rows["log_return"].to_numpy(), expected, atol=1e-12)
            assert rows["target_session"].to_list() == [sessions[i + horizon] for i in start]


def test_coverage_and_errors_can_be_recomputed_from_the_forecasts(
    forecasts: pl.DataFrame, evaluation: dict[str, object]
) -> None:
    for (model, horizon), rows in forecasts.partition_by("model", "horizon", as_dict=True).items():
        scores = evaluation["pooled"][model][str(horizon)]
        outcome, median = rows["log_return"].to_numpy(), rows["q50"].to_numpy()
        for level, low, high in (("80", "q10", "q90"), ("99", "q0.5", "q99.5")):
            inside = (outcome >= rows[low].to_numpy()) & (outcome <= rows[high].to_numpy())
            assert scores[f"coverage_{level}"] == pytest.approx(inside.mean(), abs=1e-12)
        assert scores["mae"] == pytest.approx(np.abs(outcome - median).mean())
        assert scores["crps"] == pytest.approx(rows["crps"].mean())


def test_crps_is_near_the_pinball_losses_of_the_reported_quantiles(forecasts: pl.DataFrame) -> None:
    """CRPS is twice the integral of the pinball loss over the levels, here thirteen."""
    levels = np.array([float(level) / 100 for level in LEVELS])
    surface = forecasts.select(f"q{level}" for level in LEVELS).to_numpy()
    error = forecasts["log_return"].to_numpy()[:, None] - surface
    pinball = np.maximum(levels * error, (levels - 1) * error)
    coarse = 2 * np.trapezoid(pinball, levels, axis=1)

    assert coarse.mean() == pytest.approx(forecasts["crps"].mean(), rel=0.1)


def test_every_model_was_trained_before_the_sessions_it_forecasts(
    finished: Finished, forecasts: pl.DataFrame
) -> None:
    made = finished.home.made(finished.run)["walk_forward_forecasts"]
    found = re.findall(r"fold (\d+): trained through (\S+), forecasts (\S+) to", str(made["folds"]))
    cutoffs = {int(fold): date.fromisoformat(cutoff) for fold, cutoff, _ in found}
    calendar = sessions_of("IBM")

    assert cutoffs.keys() == {0, 1, 2, 3, 4}
    for (fold,), rows in forecasts.partition_by("fold", as_dict=True).items():
        first = calendar.index(rows["as_of"].min())
        assert first - calendar.index(cutoffs[fold]) - 1 == GAP
        # The last training target ends before the first forecast.
        assert first - calendar.index(cutoffs[fold]) > max(HORIZONS)
        assert rows["as_of"].n_unique() <= TEST_SIZE


def test_the_reports_folder_has_exactly_the_documented_files(finished: Finished) -> None:
    names = {path.name for path in (finished.home.path / "reports").iterdir()}

    assert names == {
        "evaluation.json",
        "forecasts.parquet",
        "promotion.json",
        "drift.html",
        "drift.json",
        "index.html",
        "calibration.png",
        *(f"forecast_fan_{label}.png" for label in ("1d", "1w", "1m")),
    }


def test_the_report_page_shows_the_served_forecasts_and_every_plot(finished: Finished) -> None:
    page = (finished.home.path / "reports" / "index.html").read_text()
    report = json.loads((finished.home.path / "reports" / "promotion.json").read_text())

    for ticker in TICKERS:
        assert f'alt="last closes and forecast of {ticker}"' in page
    for title in (*SCORE_PLOTS.values(), *MEMBER_PLOTS.values(), "findings in the daily bars"):
        assert f'alt="{title}"' in page
    assert page.count("<li class=") == len(report["reasons"])
    assert "2013-03-01" in page
    assert "<h3>Distance by feature</h3>" in page
