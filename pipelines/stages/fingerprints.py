"""Hashes of settings, data and other ingredients that decide whether a stage is reused."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(ingredients: Mapping[str, Any]) -> str:
    """Return the SHA-256 of `ingredients` as JSON. The order of keys does not matter."""
    text = json.dumps(ingredients, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
