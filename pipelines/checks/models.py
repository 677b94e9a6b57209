"""Checks of the features and models before downstream assets run.

All are blocking except coverage: a version with poor coverage is registered with the reasons on its
page, and the promotion has a gate for it.
"""

import dagster as dg
import polars as pl

from forecasting.export.parity import TOLERANCE
from forecasting.features.feature_set import compute_features, feature_set
from forecasting.settings import TrainingSettings
from pipelines.assets.evaluation import evaluation
from pipelines.assets.features import feature_table
from pipelines.assets.registration import forecast_bundle
from pipelines.registration.evidence_collection import coverage_of, policy_of
from pipelines.reporting.tables import markdown_table
from pipelines.stages.bundle import ForecastBundle
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.store import Stage
from registry.promotion.coverage_gate import check_coverage
from registry.settings import RegistrySettings

CHANGED_SESSIONS = 100
# Both directions: after an all-time high a fall may go unnoticed, after an all-time low a rise.
CHANGES = (0.1, 10.0)


@dg.asset_check(
    asset=feature_table,
    blocking=True,
    description="Changes of the latest bars change no earlier feature.",
)
def no_leak(
    feature_table: Stage, settings: dg.ResourceParam[TrainingSettings]
) -> dg.AssetCheckResult:
    """Recompute the features with altered later bars, and compare the earlier rows."""
    stored = FeatureTable(feature_table)
    table, adjusted = stored.features, stored.adjusted
    sessions = adjusted["session"].unique().sort()
    first_changed = sessions[-min(CHANGED_SESSIONS, sessions.len() // 2)]
    later = pl.col("session") >= first_changed
    features = feature_set(settings.extra_indicators)
    before = table.filter(~later)
    leaking = set()
    for factor in CHANGES:
        altered = adjusted.with_columns(
            pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name))
            for name in ("open", "high", "low", "close", "volume")
        )
        recomputed = compute_features(altered, features).filter(~later)
        leaking |= {name for name in features.names if not before[name].equals(recomputed[name])}
    return dg.AssetCheckResult(
        passed=not leaking,
        description=f"Features that changed: {', '.join(sorted(leaking)) or 'none'}.",
        metadata={"first_changed_session": str(first_changed), "rows_compared": before.height},
    )


@dg.asset_check(
    asset=evaluation,
    description="The out-of-sample coverage of every interval is close to its level.",
)
def coverage(
    evaluation: Stage, settings: dg.ResourceParam[RegistrySettings]
) -> dg.AssetCheckResult:
    """Apply the coverage gates of the promotion decision."""
    reasons = check_coverage(coverage_of(EvaluationScores(evaluation)), policy_of(settings))
    failed = [reason.sentence for reason in reasons if not reason.passed]
    table = pl.DataFrame({"interval": [reason.sentence for reason in reasons]})
    return dg.AssetCheckResult(
        passed=not failed,
        description="; ".join(failed) or "The coverage of every interval is close to its level.",
        metadata={"coverage": dg.MetadataValue.md(markdown_table(table))},
    )


@dg.asset_check(
    asset=forecast_bundle,
    blocking=True,
    description="On real windows, the fused graph returns the forecasts of scikit-learn and Keras.",
)
def parity(forecast_bundle: Stage) -> dg.AssetCheckResult:
    """Compare the differences measured during the build of the bundle with the tolerance."""
    measured = ForecastBundle(forecast_bundle).parity
    return dg.AssetCheckResult(
        passed=measured.worst <= TOLERANCE,
        description=(
            f"The largest difference is {measured.worst:.1e} scales; the limit is {TOLERANCE:.0e}."
        ),
        metadata={"windows": measured.windows, **measured.error},
    )
