"""Folders on their way from the registry to this machine: fetched aside, then put in place whole.

Which version a folder belongs to is known to `registry.versions`, not here.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path


def fetch_folder(uri: str, dest: Path, tracking_uri: str) -> Path:
    """Download the folder at `uri` to a place beside `dest`, so that a rename can put it there."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415  takes seconds

    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest.parent) as staging:
        path = download_artifacts(artifact_uri=uri, dst_path=staging, tracking_uri=tracking_uri)
        return Path(path).rename(_beside(dest))


def replace_folder(staged: Path, dest: Path) -> Path:
    """Rename `staged` to `dest`; what was there steps aside first and is then removed."""
    if not dest.exists():
        return staged.rename(dest)
    old = dest.rename(_beside(dest))
    staged.rename(dest)
    shutil.rmtree(old, ignore_errors=True)
    return dest


def bundle_fingerprint(folder: Path) -> str | None:
    """Return the fingerprint of the bundle in `folder`, or None when there is none."""
    from forecasting.bundle.bundle import SIZE_LIMITS, fingerprint  # noqa: PLC0415  opens ONNX Runtime

    try:
        return fingerprint({name: (folder / name).read_bytes() for name in SIZE_LIMITS})
    except OSError:
        return None


def _beside(dest: Path) -> Path:
    return dest.parent / f".{dest.name}.{uuid.uuid4().hex}"
