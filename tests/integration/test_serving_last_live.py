"""A restart over a real registry whose champion is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.serving.homes import NAME, TestHome, shared_home
from support.serving.service_setup import ServiceSetup

from registry.client import make_client
from serving.routes.operation.health import read_health

pytestmark = pytest.mark.integration


def delete_champion(home: TestHome) -> None:
    make_client(home.tracking_uri).delete_model_version(NAME, "2")


def champion_without_bundle(home: TestHome) -> None:
    client = make_client(home.tracking_uri)
    version = client.create_model_version(NAME, source=f"{home.path}/nothing", run_id=None)
    home.move_alias("champion", int(version.version))


def remove_registry(home: TestHome) -> None:
    (home.path / "mlflow" / "mlflow.db").unlink()


@pytest.mark.parametrize(
    ("accident", "detail"),
    [
        (delete_champion, "names a deleted version"),
        (champion_without_bundle, "contains no Stockcast bundle"),
        (remove_registry, "is not set"),
    ],
)
def test_a_restart_serves_the_last_live_version(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    accident: Callable[[TestHome], None],
    detail: str,
) -> None:
    """Regression: the restart of a degraded service made it unavailable."""
    home = shared_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    home.move_alias("champion", 2)
    before = ServiceSetup(home.path, registry=home.registry)
    before.refresh()
    assert before.live.version == 2
    accident(home)
    before.refresh()
    running = read_health(before.state)

    restarted = ServiceSetup(home.path, registry=home.registry)
    restarted.refresh()
    assert restarted.live.version == 2
    health = read_health(restarted.state)
    assert health == running
    assert health["status"] == "degraded"
    assert detail in health["issues"][0]["detail"]
