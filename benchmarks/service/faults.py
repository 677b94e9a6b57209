"""Database, MLflow, provider and Redis lost and brought back, one after the other, under load.

The service reaches each of them through a relay, which is killed and started again. PostgreSQL and
Redis are those of this machine; the MLflow server keeps its tables in PostgreSQL.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.service.homes import small_home
from benchmarks.service.load import Load, collect_load, get
from benchmarks.service.servers import forecast_service, free_port, pin_client, running
from benchmarks.service.turns import print_goal
from serving.settings import ServingSettings

CONNECTIONS = 8
PATH = "/predict/AAPL?horizon=1w"


@dataclass
class Relay:
    """A way to a server, which can be cut and restored. The end of the block closes it."""

    name: str
    target: int
    port: int = field(default_factory=free_port)
    _opened: ExitStack = field(default_factory=ExitStack)
    _pid: int = 0

    def __enter__(self) -> Relay:
        self.restore()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def restore(self) -> None:
        """Pass connections on."""
        command = ["benchmarks/programs/relay.py", str(self.port), str(self.target)]
        self._pid = self._opened.enter_context(running(command, self.port))

    def cut(self) -> None:
        """Kill the relay with its connections."""
        os.kill(self._pid, signal.SIGKILL)
        self._opened.close()


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    seconds = 2.0 if quick else 15.0
    with ExitStack() as stack:
        relays, settings, home = _dependencies(stack)
        _, port = stack.enter_context(forecast_service(home, poll_seconds="0.5", **settings))
        pin_client()
        failed, total = 0, 0
        for relay in relays:
            for phase, change in (("lost", relay.cut), ("back", relay.restore)):
                change()
                load = _load_with_quotes(port, seconds)
                failed, total = failed + load.failures, total + len(load.latencies)
                print(
                    f"{relay.name:12s} {phase}  {len(load.latencies):8,} forecasts,"
                    f" {load.failures} failed   p99 {load.milliseconds(0.99):7.2f} ms"
                    f"   health {_status(port, '/health')}"
                )
    print_goal(f"failed forecasts of {total:,}", failed, 0, at_least=False)


def _dependencies(stack: ExitStack) -> tuple[list[Relay], dict[str, str], Path]:
    """Start the servers behind relays; return the relays, settings and home of the service."""
    from support.alpha_vantage.emulator import FREE_KEY, AlphaVantageEmulator  # noqa: PLC0415
    from support.market.bars import sample_bars  # noqa: PLC0415
    from support.registry.candidates import candidate  # noqa: PLC0415
    from support.services.external import POSTGRES, REDIS, postgres_database  # noqa: PLC0415

    from core.clock import SystemClock  # noqa: PLC0415
    from registry.promotion.aliases import promote  # noqa: PLC0415
    from registry.publishing.candidates import log_candidate  # noqa: PLC0415
    from registry.versions import ModelRegistry  # noqa: PLC0415

    home = stack.enter_context(small_home()).path
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockcast-bench-")))
    name = stack.enter_context(postgres_database()).rpartition("/")[2]
    database = stack.enter_context(Relay("PostgreSQL", POSTGRES[1]))
    behind = free_port()
    store = f"postgresql+psycopg2://postgres@127.0.0.1:{database.port}/{name}"
    command = ["-m", "mlflow", "server", "--port", str(behind), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder)]
    stack.enter_context(running(command, behind, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}))
    registry = ModelRegistry(f"http://127.0.0.1:{behind}", "stockcast")
    promote(registry, log_candidate(registry, candidate(folder)).version, "first", "benchmark")
    bars = sample_bars("AAPL", "MSFT")
    emulator = stack.enter_context(AlphaVantageEmulator(bars, SystemClock()))
    mlflow = stack.enter_context(Relay("MLflow", behind))
    provider = stack.enter_context(Relay("provider", urlsplit(emulator.url).port or 0))
    relays = [database, mlflow, provider]
    settings = {
        "mlflow_tracking_uri": f"http://127.0.0.1:{mlflow.port}",
        "provider": "alpha_vantage",
        "tickers": "AAPL,MSFT",
        "alpha_vantage_key": FREE_KEY,
        "alpha_vantage_url": emulator.url.replace(str(provider.target), str(provider.port)),
    }
    if "redis_url" in ServingSettings.model_fields:
        redis = stack.enter_context(Relay("Redis", REDIS[1]))
        relays.append(redis)
        settings["redis_url"] = f"redis://127.0.0.1:{redis.port}"
    return relays, settings, home


def _load_with_quotes(port: int, seconds: float) -> Load:
    """Request forecasts, and a quote each second, which may fail."""
    done = threading.Event()

    def request_quotes() -> None:
        while not done.wait(1.0):
            _status(port, "/quote/AAPL")

    quotes = threading.Thread(target=request_quotes)
    quotes.start()
    try:
        return collect_load(port, get(PATH), seconds, CONNECTIONS)
    finally:
        done.set()
        quotes.join()


def _status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
