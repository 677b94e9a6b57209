"""`stockcast refresh` publishes newer windows for a champion, without training."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest
from support.pipelines.command_runs import COMMAND, environment
from support.serving.homes import TestHome

from forecasting.drift_summary import DRIFT_FILE, DriftSummary
from forecasting.features.feature_set import feature_set
from forecasting.snapshot import read_snapshot

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_refresh_ingests_and_publishes_windows_without_a_new_version(tmp_path: Path) -> None:
    home = TestHome(tmp_path / "home")
    home.move_alias("champion", home.register(1))

    done = subprocess.run(
        [COMMAND, "refresh", "--home", home.path],
        env=environment() | {"STOCKCAST_TICKERS": "FB,GOOG"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "2 tickers: 2 ingested." in done.stdout
    assert "forest" not in done.stdout
    snapshot = read_snapshot(home.snapshots, feature_set().hash)
    assert snapshot.tickers == ("FB", "GOOG")
    assert (home.path / "reports" / "drift.html").exists()
    drift = DriftSummary.model_validate_json((home.path / DRIFT_FILE).read_bytes())
    assert (drift.as_of, drift.features) == (date(2013, 3, 1), len(feature_set().names))
    assert [info.version for info in home.registry.list()] == [1]
