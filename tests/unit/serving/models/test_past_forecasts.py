"""Past forecasts of a version: from a real registry, once, and without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.forecasting.scored_forecasts import scored_forecasts
from support.registry.candidates import candidate
from support.registry.databases import copy_empty_database
from support.serving.homes import TestHome

from core.errors import RegistryDownError
from forecasting.bundle.bundle import Bundle
from forecasting.forecast_history import HISTORY_FILE, select_history, write_history
from registry.publishing.candidates import log_candidate
from serving.http.problems import Problem
from serving.models.model_cache import LiveModel
from serving.models.past_forecasts import WalkForwardHistory


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home with a version that has past forecasts, and one without."""
    home = TestHome(tmp_path_factory.mktemp("history"))
    copy_empty_database(home.path / "mlflow" / "mlflow.db")
    file = home.path / HISTORY_FILE
    write_history(select_history(scored_forecasts(), "ensemble"), file)
    bundles = home.path / "bundles"
    log_candidate(home.registry, candidate(bundles, seed=1, files={HISTORY_FILE: file}))
    log_candidate(home.registry, candidate(bundles, seed=2))
    return home


def model(home: TestHome, version: int) -> LiveModel:
    return LiveModel("stockcast", version, Bundle.load(home.path / "bundles" / f"bundle-{version}"))


def test_the_forecasts_of_a_ticker_are_downloaded_once(home: TestHome, tmp_path: Path) -> None:
    expected = select_history(scored_forecasts(), "ensemble")
    ticker = expected["ticker"][0]
    history = WalkForwardHistory(home.registry, tmp_path)
    rows = history.read(model(home, 1), ticker, 5)
    assert rows.equals(expected.filter(ticker=ticker, horizon=5))

    unreachable = TestHome(tmp_path / "nowhere").registry
    again = WalkForwardHistory(unreachable, tmp_path).read(model(home, 1), ticker, 5)
    assert again.equals(rows)


def test_a_ticker_that_was_not_evaluated_has_no_history(home: TestHome, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no forecasts of NOPE") as caught:
        WalkForwardHistory(home.registry, tmp_path).read(model(home, 1), "NOPE", 5)
    assert caught.value.status == 409


def test_a_version_without_past_forecasts_names_the_way_out(home: TestHome, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="Version 2 was registered without"):
        WalkForwardHistory(home.registry, tmp_path).read(model(home, 2), "AAPL", 5)
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_is_down_is_not_mistaken_for_a_missing_file(
    home: TestHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = home.registry

    def fail(*_: object) -> Path:
        msg = "the registry is down"
        raise RegistryDownError(msg)

    monkeypatch.setattr(type(registry), "download_evidence", fail)
    with pytest.raises(RegistryDownError):
        WalkForwardHistory(registry, tmp_path).read(model(home, 1), "AAPL", 5)
