"""Evidence for the promotion decision, collected from the stages of a candidate.

The gates that use it are in `registry.promotion.gates`.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from core.errors import BundleError, RegistryError
from forecasting.bundle.bundle import Bundle
from forecasting.distribution.levels import COVERAGES
from forecasting.scoring.diebold_mariano import diebold_mariano
from pipelines.stages.evaluation import EvaluationScores
from registry.names import CHAMPION
from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore, Policy
from registry.settings import RegistrySettings
from registry.versions import ModelRegistry

FORECASTS_FILE = "forecasts.parquet"
KEY = ["ticker", "as_of", "target_session", "horizon"]


def collect_evidence(
    forecasts: pl.DataFrame,
    evaluation: EvaluationScores,
    bundle_folder: Path,
    *,
    withdrawal_reason: str | None,
) -> Evidence:
    """Return the evidence about a candidate. Missing parts keep their defaults and fail."""
    ensemble, naive, garch = (
        forecasts.filter(model=model) for model in ("ensemble", "naive", "garch")
    )
    golden_holds, outputs_finite = _try_bundle(bundle_folder)
    return replace(
        coverage_of(evaluation),
        golden_holds=golden_holds,
        outputs_finite=outputs_finite and bool(ensemble["crps"].is_finite().all()),
        against_naive=paired_scores(ensemble, naive),
        against_garch=paired_scores(ensemble, garch),
        squared_error=paired_scores(_squared_error(ensemble), _squared_error(naive)),
        withdrawal_reason=withdrawal_reason,
    )


def coverage_of(evaluation: EvaluationScores) -> Evidence:
    """Return the evidence about the coverage of the ensemble's intervals."""
    pooled = evaluation.scores["pooled"]["ensemble"]
    return Evidence(
        coverage=_by_level(pooled, "coverage_{:.0f}"),
        coverage_error=_by_level(pooled, "coverage_{:.0f}_error"),
        coverage_sessions={int(h): int(scores["sessions"] or 0) for h, scores in pooled.items()},
    )


def policy_of(settings: RegistrySettings) -> Policy:
    """Return the limits of the gates in `settings`."""
    return Policy(margin=settings.promotion_margin, coverage_band=settings.coverage_band)


def compare_with_champion(
    registry: ModelRegistry, candidate: int, forecasts: pl.DataFrame
) -> ChampionComparison | None:
    """Return the scores paired with the out-of-sample forecasts of the champion.

    The walk-forward forecasts of the champion are stored with its version, so neither model was
    trained on the compared sessions. Returns None without a champion, or if the candidate is it.
    """
    champion = registry.alias_version(CHAMPION)
    if champion is None or champion == candidate:
        return None
    ensemble = forecasts.filter(model="ensemble")
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = registry.download_evidence(champion, FORECASTS_FILE, Path(folder))
        except RegistryError:
            return ChampionComparison(champion)  # the version was not logged by Stockcast
        theirs = pl.read_parquet(path).filter(model="ensemble")
    return ChampionComparison(champion, paired_scores(ensemble, theirs))


def paired_scores(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[int, PairedScore]:
    """Compare the losses (column `crps`) of two sets of forecasts, on their common rows."""
    pairs = ours.join(theirs, on=KEY, suffix="_theirs")
    scores = {}
    for (horizon,), rows in pairs.partition_by("horizon", as_dict=True).items():
        by_session = rows.group_by("as_of").agg(pl.col("crps", "crps_theirs").mean())
        difference = (rows["crps"] - rows["crps_theirs"]).to_numpy()
        test = diebold_mariano(difference, rows["as_of"].to_numpy(), int(horizon))
        scores[int(horizon)] = PairedScore(
            horizon=int(horizon),
            sessions=test.sessions,
            candidate_crps=float(np.mean(by_session["crps"].to_numpy())),
            reference_crps=float(np.mean(by_session["crps_theirs"].to_numpy())),
            upper_bound=test.upper_bound(),
            p_worse=test.p_greater,
        )
    return scores


def _squared_error(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Replace the loss by the squared error of the mean."""
    return forecasts.with_columns(crps=(pl.col("log_return") - pl.col("mean")) ** 2)


def _by_level(pooled: Mapping[str, Any], name: str) -> dict[int, dict[float, float]]:
    """Return horizon -> level -> score, without missing scores."""
    all_scores = {
        int(horizon): {level: scores.get(name.format(100 * level)) for level in COVERAGES}
        for horizon, scores in pooled.items()
    }
    return {
        horizon: {level: score for level, score in by_level.items() if score is not None}
        for horizon, by_level in all_scores.items()
    }


def _try_bundle(folder: Path) -> tuple[bool, bool]:
    """Load the bundle, which verifies its golden vectors and rejects non-finite outputs."""
    try:
        Bundle.load(folder)
    except BundleError:
        return False, False
    return True, True
