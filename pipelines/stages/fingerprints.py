"""Hashes of code, settings and data, which decide whether a stage is reused."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from typing import Any

# A change in one of these packages may change any number or file that a stage holds.
CODE_PACKAGES = ("market", "forecasting", "pipelines.assets", "pipelines.stages")
LIBRARIES = (
    "numpy",
    "polars",
    "polars-talib",
    "ta",
    "scipy",
    "arch",
    "scikit-learn",
    "keras",
    "tensorflow-cpu",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "tf2onnx",
    "evidently",
)


def fingerprint(ingredients: Mapping[str, Any]) -> str:
    """Return the sha256 of JSON-able `ingredients`, whatever their order."""
    text = json.dumps(ingredients, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version() -> str:
    """Return a hash of the code that computes, ours and others', so that no change is ignored."""
    digest = hashlib.sha256(" ".join(version(name) for name in LIBRARIES).encode())
    for package in CODE_PACKAGES:
        for source in sorted(_sources(resources.files(package)), key=str):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _sources(folder: Traversable) -> list[Traversable]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found.extend(_sources(entry))
        elif entry.name.endswith(".py"):
            found.append(entry)
    return found
