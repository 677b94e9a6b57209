"""The JSON form of a manifest, with the checksums of all files of a bundle.

Checksums detect damage. They are not a signature: a program that can write a bundle can also write
its checksums. The registry is responsible for the origin of bundles.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from forecasting.bundle.manifest import MANIFEST_FILE, SCHEMA_VERSION, Manifest, bundle_error


def seal_manifest(manifest: Manifest, files: dict[str, bytes]) -> bytes:
    """Return the JSON of the manifest with the checksums of `files` and of itself.

    The same manifest and files give the same bytes: keys are sorted, and there is no time stamp.
    """
    document = manifest.model_dump(mode="json", exclude={"checksums"})
    document["checksums"] = {name: sha256(content) for name, content in files.items()}
    document["checksums"][MANIFEST_FILE] = _own_checksum(document)
    return json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def open_manifest(raw: bytes) -> Manifest:
    """Return the manifest from the result of `seal_manifest`.

    Raises
    ------
    BundleError
        When `raw` is not JSON, was changed after sealing, has another schema version, or
        contradicts itself.
    """
    try:
        document = json.loads(raw)
        is_intact = document["checksums"][MANIFEST_FILE] == _own_checksum(document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        problem = f"{MANIFEST_FILE} is not a sealed manifest ({type(error).__name__}: {error})."
        raise bundle_error(check="the manifest's form", problem=problem) from None
    if not is_intact:
        problem = f"{MANIFEST_FILE} was changed after it was written."
        raise bundle_error(check="the manifest's checksum", problem=problem)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        problem = f"`schema_version` of {MANIFEST_FILE} must be {SCHEMA_VERSION}, got {version!r}."
        raise bundle_error(check="the schema version", problem=problem)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]]
        problem = f"{MANIFEST_FILE} is inconsistent; {'; '.join(lines)}."
        raise bundle_error(check="the manifest's fields", problem=problem) from None


def check_checksum(manifest: Manifest, name: str, content: bytes) -> None:
    """Raise `BundleError` unless `content` has the checksum in the manifest."""
    expected, actual = manifest.checksums.get(name), sha256(content)
    if expected != actual:
        problem = f"SHA-256 of {name} must be {str(expected)[:12]}…, got {actual[:12]}…."
        raise bundle_error(check="the files' checksums", problem=problem)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _own_checksum(document: dict[str, Any]) -> str:
    others = {k: v for k, v in document["checksums"].items() if k != MANIFEST_FILE}
    body = {**document, "checksums": others}
    return sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode())
