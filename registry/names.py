"""Names of aliases, tags and artefact folders in MLflow."""

from __future__ import annotations

CHAMPION = "champion"
CHALLENGER = "challenger"

# Tags of a version. Most of them are set on its run, too.
FINGERPRINT_TAG = "stockcast.bundle_fingerprint"
DATA_TAG = "stockcast.data_fingerprint"
FEATURES_TAG = "stockcast.feature_hash"
CODE_TAG = "stockcast.code_version"
CUTOFF_TAG = "stockcast.cutoff"
WITHDRAWN_TAG = "stockcast.withdrawn"
# Skill of the ensemble against GARCH, shown in lists of versions.
SKILL_TAG = "stockcast.skill_garch"
DECISION_TAG = "stockcast.decision"
REASONS_TAG = "stockcast.decision_reasons"
DECIDED_AT_TAG = "stockcast.decided_at"
DECIDED_BY_TAG = "stockcast.decided_by"

# Description and user of a run in the MLflow UI.
NOTE_TAG = "mlflow.note.content"
USER_TAG = "mlflow.user"

# Folders of the bundle of a version, and of the evidence, plots and report page of a run.
BUNDLE_PATH = "artifacts/bundle"
EVIDENCE_PATH = "evidence"
PLOTS_PATH = "plots"
REPORT_PATH = "report"
