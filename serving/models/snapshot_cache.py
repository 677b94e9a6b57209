"""Cache of the published feature windows, with a check that they fit the model.

`forecasting.snapshot` defines the format and verifies its integrity.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import BundleError
from forecasting.bundle.manifest import Manifest
from forecasting.snapshot import Snapshot, read_snapshot, snapshot_token


class SnapshotCache:
    """Newest snapshot for the features of a model; reads the files only after a change."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cached: dict[str, tuple[str, Snapshot]] = {}

    def newest(self, manifest: Manifest) -> Snapshot | None:
        """Return the newest snapshot for a model: the same object until a new one is published.

        Returns None before the first snapshot for the features of the model.

        Raises
        ------
        BundleError
            If the published windows do not fit the model.
        StockcastError
            If the snapshot is damaged.
        """
        feature_hash = manifest.feature_hash
        token = snapshot_token(self._root, feature_hash)
        if token is None:
            return None
        cached = self._cached.get(feature_hash)
        if cached is None or cached[0] != token:
            cached = (token, read_snapshot(self._root, feature_hash))
            self._cached = {feature_hash: cached}
        # Two versions with the same features may differ in lookback or horizons.
        check_fit(cached[1], manifest)
        return cached[1]


def check_fit(snapshot: Snapshot, manifest: Manifest) -> None:
    """Raise a `BundleError` unless windows and target sessions fit the model."""
    pairs = {
        "feature_hash": (manifest.feature_hash, snapshot.feature_hash),
        "features": (manifest.features, tuple(snapshot.feature_names)),
        "lookback": (manifest.lookback, snapshot.windows.shape[1]),
        "horizons": (set(manifest.horizons), set(snapshot.target_sessions)),
    }
    for name, (expected, published) in pairs.items():
        if expected != published:
            msg = (
                f"The model has `{name}` {expected}, the published snapshot has {published};"
                " materialise `feature_snapshot` with the settings of the training."
            )
            raise BundleError(msg)
