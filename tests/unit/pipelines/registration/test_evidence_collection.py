"""Evidence for a promotion, compared with numbers computed by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.forecasting.bundles import tiny_bundle
from support.forecasting.scored_forecasts import scored_forecasts
from support.pipelines.stages import make_stage
from support.registry.candidates import candidate
from support.serving.homes import TestHome

from forecasting.evaluation.scorecard import evaluate
from pipelines.registration.evidence_collection import (
    collect_evidence,
    compare_with_champion,
    paired_scores,
)
from pipelines.stages.evaluation import EvaluationScores
from registry.promotion.evidence import ChampionComparison
from registry.promotion.gates import decide
from registry.publishing.candidates import log_candidate


def losses(by_session: Mapping[int, Mapping[str, float]], horizon: int = 1) -> pl.DataFrame:
    """Forecasts that hold nothing but the key and a CRPS: day of January -> ticker -> loss."""
    rows = [
        {
            "ticker": ticker,
            "as_of": date(2013, 1, day),
            "target_session": date(2013, 1, day + horizon),
            "horizon": horizon,
            "crps": loss,
        }
        for day, by_ticker in by_session.items()
        for ticker, loss in by_ticker.items()
    ]
    return pl.DataFrame(rows)


def evaluation_of(root: Path, forecasts: pl.DataFrame) -> EvaluationScores:
    documents: dict[str, object] = {"evaluation": evaluate(forecasts)}
    return EvaluationScores(make_stage(root, "evaluation", documents=documents))


def test_losses_are_averaged_over_tickers_and_then_over_sessions() -> None:
    ours = losses({1: {"A": 1.0, "B": 3.0}, 2: {"A": 6.0}, 3: {"A": 2.0}})
    theirs = losses({1: {"A": 2.0, "B": 4.0}, 2: {"A": 3.0}, 3: {"A": 4.0}})

    score = paired_scores(ours, theirs)[1]

    # Means of the sessions: ours 2, 6, 2 and theirs 3, 3, 4.
    assert score.sessions == 3
    assert score.candidate_crps == pytest.approx(10 / 3)
    assert score.reference_crps == pytest.approx(10 / 3)
    assert score.shortfall == pytest.approx(0)


def test_the_one_sided_test_equals_a_t_test_computed_by_hand() -> None:
    """Four sessions and horizon 1: the lag is 4 (4 / 100)^(2 / 9) = 1.96, cut to 1."""
    ours = losses({day: {"A": loss} for day, loss in enumerate((4.0, 6.0, 3.0, 7.0), start=1)})
    theirs = losses({day: {"A": 3.0} for day in range(1, 5)})

    score = paired_scores(ours, theirs)[1]

    # Differences 1, 3, 0, 4: mean 2, deviations -1, 1, -2, 2; gamma0 = 10 / 4,
    # gamma1 = (-1 - 2 - 4) / 4; long-run variance = 2.5 + 2 (1 - 1/2) (-1.75) = 0.75.
    # Variance of the mean 0.75 / 4; Harvey's factor for h = 1, n = 4 is sqrt(3 / 4).
    error = math.sqrt(0.75 / 4) / math.sqrt(3 / 4)
    t_95, statistic = 2.353363, 2 / error  # three degrees of freedom
    assert score.candidate_crps - score.reference_crps == pytest.approx(2)
    assert score.upper_bound == pytest.approx(2 + t_95 * error, rel=1e-6)
    assert statistic == pytest.approx(4)
    assert score.p_worse == pytest.approx(0.01400423, rel=1e-5)  # P(t_3 > 4)


def test_only_common_rows_are_compared() -> None:
    ours = losses({1: {"A": 1.0, "B": 9.0}, 2: {"A": 1.0}, 3: {"A": 1.0}, 4: {"A": 99.0}})
    theirs = losses({0 + day: {"A": 2.0} for day in (1, 2, 3)} | {9: {"A": 77.0}})

    score = paired_scores(ours, theirs)[1]

    assert (score.sessions, score.candidate_crps, score.reference_crps) == (3, 1.0, 2.0)


def test_forecasts_of_different_target_sessions_are_not_compared() -> None:
    ours, theirs = losses({1: {"A": 1.0}}), losses({1: {"A": 2.0}})

    assert paired_scores(ours, theirs.with_columns(target_session=date(2013, 1, 9))) == {}


def test_horizons_are_compared_separately() -> None:
    both = pl.concat([losses({1: {"A": 1.0}}), losses({1: {"A": 5.0}}, horizon=5)])

    scores = paired_scores(both, both)

    assert {h: s.candidate_crps for h, s in scores.items()} == {1: 1.0, 5: 5.0}


def test_the_evidence_contains_the_scores_of_the_evaluation(tmp_path: Path) -> None:
    forecasts = scored_forecasts()
    tiny_bundle(tmp_path / "bundle")

    result = collect_evidence(
        forecasts, evaluation_of(tmp_path, forecasts), tmp_path / "bundle", withdrawal_reason=None
    )

    ensemble = forecasts.filter(model="ensemble", horizon=5)
    inside = ensemble["log_return"].is_between(ensemble["q10"], ensemble["q90"])
    assert (result.golden_holds, result.outputs_finite, result.withdrawal_reason) == (
        True,
        True,
        None,
    )
    assert result.coverage[5][0.8] == pytest.approx(inside.mean())
    assert 0 < result.coverage_error[5][0.8] < 0.1
    assert result.against_naive[5].sessions == ensemble["as_of"].n_unique()
    assert result.against_naive[5].candidate_crps == pytest.approx(ensemble["crps"].mean())
    garch = forecasts.filter(model="garch", horizon=5)
    assert result.against_garch[5].reference_crps == pytest.approx(garch["crps"].mean())
    error = ((ensemble["log_return"] - ensemble["mean"]) ** 2).mean()
    assert result.squared_error[5].candidate_crps == pytest.approx(error)
    no_change = (ensemble["log_return"] ** 2).mean()
    assert result.squared_error[5].reference_crps == pytest.approx(no_change)


def test_a_damaged_bundle_fails_its_gates(tmp_path: Path) -> None:
    forecasts = scored_forecasts()
    tiny_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "ensemble.onnx").write_bytes(b"not a graph")

    result = collect_evidence(
        forecasts,
        evaluation_of(tmp_path, forecasts),
        tmp_path / "bundle",
        withdrawal_reason="too bold",
    )

    assert (result.golden_holds, result.outputs_finite) == (False, False)
    failed = {reason.gate for reason in decide(result, None).failed}
    assert {"golden", "finite", "withdrawn"} <= failed


def test_a_nan_forecast_fails_the_candidate(tmp_path: Path) -> None:
    forecasts = scored_forecasts()
    tiny_bundle(tmp_path / "bundle")
    stage = evaluation_of(tmp_path, forecasts)
    broken = forecasts.with_columns(
        crps=pl.when(pl.col("model") == "ensemble").then(math.nan).otherwise("crps")
    )

    result = collect_evidence(broken, stage, tmp_path / "bundle", withdrawal_reason=None)

    assert result.outputs_finite is False


def test_a_missing_standard_error_is_left_out(tmp_path: Path) -> None:
    forecasts = scored_forecasts().filter(
        pl.col("as_of") <= pl.col("as_of").min().dt.offset_by("9d")
    )
    tiny_bundle(tmp_path / "bundle")

    result = collect_evidence(
        forecasts, evaluation_of(tmp_path, forecasts), tmp_path / "bundle", withdrawal_reason=None
    )

    # Ten sessions cannot give the error of a mean over 21 overlapping ones.
    assert result.coverage[21].keys() == {0.8, 0.95, 0.99}
    assert result.coverage_error[21] == {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """Return a home with version 1, which has forecasts as evidence, and version 2 without."""
    home = TestHome(tmp_path_factory.mktemp("evidence"))
    theirs = scored_forecasts().filter(pl.col("fold") < 3).with_columns(pl.col("crps") * 1.1)
    path = home.path / "forecasts.parquet"
    theirs.write_parquet(path)
    log_candidate(
        home.registry, candidate(home.path / "bundles", seed=1, files={"forecasts.parquet": path})
    )
    home.register(2)
    return home


def test_without_a_champion_there_is_no_comparison(tmp_path: Path) -> None:
    registry = TestHome(tmp_path).registry

    assert compare_with_champion(registry, 1, scored_forecasts()) is None


def test_the_champion_is_compared_on_its_forecasts_of_shared_sessions(home: TestHome) -> None:
    home.move_alias("champion", 1)

    result = compare_with_champion(home.registry, 2, scored_forecasts())

    assert result is not None
    shared = scored_forecasts().filter(pl.col("fold") < 3, model="ensemble", horizon=21)
    assert result.version == 1
    assert result.scores[21].sessions == shared["as_of"].n_unique()
    assert result.scores[21].candidate_crps == pytest.approx(shared["crps"].mean())
    assert result.scores[21].reference_crps == pytest.approx(1.1 * shared["crps"].mean())


def test_the_champion_is_not_compared_with_itself(home: TestHome) -> None:
    home.move_alias("champion", 1)

    assert compare_with_champion(home.registry, 1, scored_forecasts()) is None


def test_a_champion_without_evidence_proves_nothing(home: TestHome, tmp_path: Path) -> None:
    home.move_alias("champion", 2)

    result = compare_with_champion(home.registry, 1, scored_forecasts())

    assert result == ChampionComparison(2)
    forecasts = scored_forecasts()
    tiny_bundle(tmp_path / "bundle")
    evidence = collect_evidence(
        forecasts, evaluation_of(tmp_path, forecasts), tmp_path / "bundle", withdrawal_reason=None
    )
    failed = {reason.gate for reason in decide(evidence, result).failed}
    assert failed >= {"champion_1d", "champion_1w", "champion_1m"}
