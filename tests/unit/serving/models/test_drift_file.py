"""The summary of drift in the home: changes of the file, its absence, and damage."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from forecasting.drift_summary import DRIFT_FILE, DriftSummary
from serving.models.drift_file import DriftFile

SUMMARY = DriftSummary(
    as_of=date(2013, 3, 1),
    features=20,
    drifted=["rsi_14"],
    retraining_share=0.5,
    current_sessions=63,
    reference_sessions=504,
)


def write(home: Path, text: str, second: int) -> None:
    path = home / DRIFT_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (second, second))


def test_a_new_summary_replaces_the_old_one(tmp_path: Path) -> None:
    file = DriftFile(tmp_path)
    assert file.read() is None
    write(tmp_path, SUMMARY.model_dump_json(), 1)
    assert file.read() == SUMMARY
    newer = SUMMARY.model_copy(update={"drifted": []})
    write(tmp_path, newer.model_dump_json(), 2)
    assert file.read() == newer
    (tmp_path / DRIFT_FILE).unlink()
    assert file.read() is None


@pytest.mark.parametrize("text", ["", "{", '{"features": 1}', "[]"])
def test_a_damaged_file_is_no_summary_and_is_logged_once(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = DriftFile(tmp_path)
    write(tmp_path, text, 1)
    assert file.read() is None
    assert file.read() is None
    assert caplog.text.count("drift_not_read") == 1


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    file = DriftFile(tmp_path)
    write(tmp_path, SUMMARY.model_dump_json(), 1)
    assert file.read() is file.read()
