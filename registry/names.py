"""The names under which things are kept in MLflow, for writers and readers alike."""

from __future__ import annotations

CHAMPION = "champion"
CHALLENGER = "challenger"

# Tags of a version, most of them of its run too.
FINGERPRINT_TAG = "stockcast.bundle_fingerprint"
DATA_TAG = "stockcast.data_fingerprint"
FEATURES_TAG = "stockcast.feature_hash"
CODE_TAG = "stockcast.code_version"
CUTOFF_TAG = "stockcast.cutoff"
WITHDRAWN_TAG = "stockcast.withdrawn"
# How the ensemble did against GARCH, for lists of versions.
SKILL_TAG = "stockcast.skill_garch"
DECISION_TAG = "stockcast.decision"
REASONS_TAG = "stockcast.decision_reasons"
DECIDED_AT_TAG = "stockcast.decided_at"
DECIDED_BY_TAG = "stockcast.decided_by"

# What MLflow's pages show as the description and the user of a run.
NOTE_TAG = "mlflow.note.content"
USER_TAG = "mlflow.user"

# Where a version keeps its bundle, and a run its evidence.
BUNDLE_PATH = "artifacts/bundle"
EVIDENCE_PATH = "evidence"
PLOTS_PATH = "plots"
