"""Fixtures that several tests of the market share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text file into this test's folder."""

    def write_text(name: str, text: str, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write_text
