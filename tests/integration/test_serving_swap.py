"""Changes of a running service: first champion, swaps under load, damaged bundles."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from support.serving.homes import TICKERS, TestHome
from support.serving.servers import (
    POLL_SECONDS,
    Server,
    metric_files,
    module_command,
    run_server,
    wait_until,
)

pytestmark = [pytest.mark.integration, pytest.mark.in_order]

# The guaranteed time of a swap, and the additional time on a machine that runs other tests.
SWAP_SECONDS = 2.0
NOISE_SECONDS = 6.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    return TestHome(tmp_path_factory.mktemp("swap") / "home")


@pytest.fixture(scope="module")
def server(home: TestHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(module_command, home.path, tmp_path_factory.mktemp("service")) as server:
        yield server
    # The service removes its temporary folder at shutdown.
    assert metric_files(server) == []


@dataclass
class Load:
    """Clients that send requests without pause, and the results."""

    url: str
    statuses: Counter[int] = field(default_factory=Counter)
    versions: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(t,)) for t in TICKERS]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, ticker: str) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    for response in (
                        client.get(f"/predict/{ticker}", params={"horizon": "1w"}),
                        client.post("/predict", json={"ticker": ticker, "horizon": "1w"}),
                    ):
                        self.statuses[response.status_code] += 1
                        self.versions.append(response.json()["model"]["version"])
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    self.failures.append(repr(error))


def version_of(server: Server) -> int | None:
    response = server.get("/predict/AAPL", horizon="1m")
    return response.json()["model"]["version"] if response.status_code == 200 else None


def test_from_an_empty_home_to_forecasts_without_a_restart(home: TestHome, server: Server) -> None:
    response = server.get("/predict/AAPL")
    problem = response.json()
    assert (response.status_code, problem["type"]) == (503, "urn:stockcast:problem:no-champion")
    assert "stockcast run" in problem["detail"]
    assert server.post("/predict", json={"ticker": "AAPL"}).status_code == 503
    assert server.get("/models/compare/AAPL").status_code == 503
    assert server.get("/readyz").status_code == 503
    health = server.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert server.get("/livez").status_code == 200
    assert not (home.path / "mlflow" / "mlflow.db").exists()  # a request must not create a registry

    home.move_alias("champion", home.register(1))
    wait_until(
        lambda: server.get("/predict/AAPL").json()["type"].endswith("no-snapshot"), 30, server
    )
    home.publish()
    wait_until(lambda: version_of(server) == 1, 30, server)
    assert server.get("/readyz").status_code == 200
    assert server.get("/health").json()["status"] == "healthy"


def test_moving_the_alias_swaps_within_two_seconds_and_fails_no_request(
    home: TestHome, server: Server
) -> None:
    home.register(2)
    with Load(server.url) as load:
        for version in (2, 1, 2, 1, 2):
            home.move_alias("champion", version)
            seconds = wait_until(
                lambda v=version: version_of(server) == v,  # type: ignore[misc]
                SWAP_SECONDS + NOISE_SECONDS,
                server,
                every=0.02,
            )
            assert seconds < SWAP_SECONDS + NOISE_SECONDS
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 100
    assert set(load.versions) == {1, 2}
    swaps = server.log.read_text().count("event=champion_swapped")
    assert swaps == 6


def test_under_load_a_damaged_bundle_is_refused_and_the_old_version_stays_live(
    home: TestHome, server: Server
) -> None:
    bad = home.register_damaged(3)
    with Load(server.url) as load:
        home.move_alias("champion", bad)
        wait_until(lambda: server.get("/health").json()["status"] == "degraded", 20, server)
        for _ in range(3):
            threading.Event().wait(POLL_SECONDS)
            assert version_of(server) == 2
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert set(load.versions) == {2}
    refused = server.get("/models/status").json()["refused"]
    assert [entry["version"] for entry in refused] == [bad]
    assert server.log.read_text().count("event=champion_refused") == 1
    assert server.get("/readyz").status_code == 200
    home.move_alias("champion", 1)
    wait_until(lambda: version_of(server) == 1, 20, server)
    assert server.get("/health").json()["status"] == "healthy"


def test_no_swap_logs_a_traceback(server: Server) -> None:
    assert "Traceback" not in server.log.read_text()
