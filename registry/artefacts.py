"""Download of folders from the registry, and their atomic replacement on this machine."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import BundleError


def fetch_folder(uri: str, dest: Path, tracking_uri: str) -> Path:
    """Download the folder at `uri` next to `dest`, on the same file system, and return its path.

    Raises
    ------
    BundleError
        When `uri` is a folder of this machine with a file of which the copy would not end.
    """
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415  takes seconds

    from forecasting.bundle.files import check_folder  # noqa: PLC0415  imports NumPy

    if (address := urlsplit(uri)).scheme in {"", "file"}:
        check_folder(Path(unquote(address.path)))
    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest.parent) as staging:
        path = download_artifacts(artifact_uri=uri, dst_path=staging, tracking_uri=tracking_uri)
        return Path(path).rename(_sibling_path(dest))


def replace_folder(staged: Path, dest: Path) -> Path:
    """Rename `staged` to `dest`; an existing `dest` is renamed first and then removed."""
    if not dest.exists():
        return staged.rename(dest)
    old = dest.rename(_sibling_path(dest))
    staged.rename(dest)
    shutil.rmtree(old, ignore_errors=True)
    return dest


def bundle_fingerprint(folder: Path) -> str | None:
    """Return the fingerprint of the bundle in `folder`, or None if there is no bundle."""
    from forecasting.bundle.files import fingerprint, read_files  # noqa: PLC0415  imports NumPy

    try:
        return fingerprint(read_files(folder))
    except BundleError:
        return None


def _sibling_path(dest: Path) -> Path:
    return dest.parent / f".{dest.name}.{uuid.uuid4().hex}"
