"""Version of the installed package."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def package_version() -> str:
    """Return the version of Stockcast, or ``unknown`` for a folder that is not installed."""
    try:
        return version("stockcast")
    except PackageNotFoundError:  # as in a bento
        return "unknown"
