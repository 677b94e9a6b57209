"""The published feature windows, as they change: reads only what is new, and checks the fit.

The format and its integrity belong to `forecasting.snapshot`.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import BundleError
from forecasting.bundle.manifest import Manifest
from forecasting.snapshot import Snapshot, read_snapshot, snapshot_token


class SnapshotCache:
    """The newest snapshot for a model's features; unchanged ones are not read again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, tuple[str, Snapshot]] = {}

    def newest(self, manifest: Manifest) -> Snapshot | None:
        """Return the snapshot that fits a model, the same object while nothing changed.

        None says that nothing was published for the model's features yet.

        Raises
        ------
        BundleError
            When the published windows are not those that the model was trained on.
        StockcastError
            When what was published is damaged.
        """
        feature_hash = manifest.feature_hash
        token = snapshot_token(self._root, feature_hash)
        if token is None:
            return None
        known = self._read.get(feature_hash)
        if known is None or known[0] != token:
            snapshot = read_snapshot(self._root, feature_hash)
            check_fit(snapshot, manifest)
            known = (token, snapshot)
            self._read = {feature_hash: known}
        return known[1]


def check_fit(snapshot: Snapshot, manifest: Manifest) -> None:
    """Raise a `BundleError` unless the model can read these windows and their dates."""
    pairs = {
        "feature_hash": (manifest.feature_hash, snapshot.feature_hash),
        "features": (manifest.features, tuple(snapshot.feature_names)),
        "lookback": (manifest.lookback, snapshot.windows.shape[1]),
        "horizons": (set(manifest.horizons), set(snapshot.target_sessions)),
    }
    for name, (model, published) in pairs.items():
        if model != published:
            msg = (
                f"The model's `{name}` is {model}, the published snapshot's is {published};"
                " materialise `feature_snapshot` with the settings that trained the model."
            )
            raise BundleError(msg)
