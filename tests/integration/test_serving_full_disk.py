"""A real service on a disk that becomes full, read-only and unavailable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from support.services.small_disk import SmallDisk, small_disk
from support.serving.homes import TestHome, shared_home
from support.serving.servers import (
    POLL_SECONDS,
    Server,
    metric_files,
    module_command,
    run_server,
    wait_until,
)

pytestmark = [pytest.mark.integration, pytest.mark.in_order]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disk") / "mounted", 32) as disk:
        yield disk


@pytest.fixture(scope="module")
def home(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    return shared_home(tmp_path_factory.getbasetemp()).copy(disk.path / "home")


@pytest.fixture(scope="module")
def server(home: TestHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(module_command, home.path, tmp_path_factory.mktemp("service")) as server:
        yield server


def check_every_route(server: Server, *, health: str) -> None:
    """Check that every route responds, and that the process is still running."""
    for _ in range(3):
        wait_until(lambda: server.get("/health").json()["status"] == health, 20, server)
        assert server.get("/predict/AAPL").status_code == 200
        assert server.get("/predict/NOPE").status_code == 404
        assert server.post("/predict", json={"ticker": "MSFT"}).status_code == 200
        assert server.get("/models/compare/IBM").status_code == 200
        assert server.get("/models/status").status_code == 200
        assert "stockcast_champion_version 1.0" in server.get("/metrics").text
        time.sleep(POLL_SECONDS)
    assert server.process.poll() is None, server.log.read_text()


def test_a_full_disk_ends_neither_forecasts_nor_metrics(disk: SmallDisk, server: Server) -> None:
    """Regression: the first request without a precomputed response ended the process (SIGBUS)."""
    disk.fill()
    check_every_route(server, health="healthy")


def test_every_metric_file_is_reserved_and_large_enough(server: Server) -> None:
    files = metric_files(server)
    assert len(files) == 7
    for file in files:
        used = int.from_bytes(file.read_bytes()[:4], "little")
        assert file.stat().st_blocks * 512 >= file.stat().st_size == 2**20
        assert used < 2**18


def test_a_service_starts_on_a_full_and_read_only_disk(
    disk: SmallDisk, home: TestHome, server: Server, tmp_path: Path
) -> None:
    expected = server.get("/predict/AAPL").json()
    read_only = tmp_path / "disk"
    with (
        disk.read_only(read_only),
        run_server(module_command, read_only / home.path.name, tmp_path / "log") as second,
    ):
        assert second.get("/predict/AAPL").json() == expected | {"timestamp": ANY}
        check_every_route(second, health="degraded")


def test_a_lost_volume_degrades_the_service(disk: SmallDisk, server: Server) -> None:
    disk.remove()
    check_every_route(server, health="degraded")
    assert "Traceback" not in server.log.read_text()
