"""A service in memory for every test of serving."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.serving.service_setup import ServiceSetup


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, object]:
    """Settings of the service that a test changes by indirect parametrization."""
    changed: dict[str, object] = getattr(request, "param", {})
    return changed


@pytest.fixture
def service(tmp_path: Path, settings: dict[str, object]) -> ServiceSetup:
    """A service without champion and snapshot, at 2013-03-04 12:00 UTC."""
    return ServiceSetup(tmp_path, **settings)
