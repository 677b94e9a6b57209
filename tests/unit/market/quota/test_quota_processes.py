"""The ledger with several processes and the system clock."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.programs import quota_caller

from core.clock import SystemClock
from core.errors import QuotaError
from market.quota.budgets import Budget, Window
from market.quota.ledger import QuotaLedger

pytestmark = pytest.mark.slow
CLOCK = SystemClock()


@contextmanager
def listening_provider() -> Iterator[tuple[int, list[float]]]:
    """Serve on loopback; yield the port and the list of arrival times."""
    arrivals: list[float] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1)
                    arrivals.append(CLOCK.elapsed())
                    connection.sendall(b".")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], arrivals
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def start_caller(path: Path, port: int, window: Window, until: float) -> subprocess.Popen[bytes]:
    numbers = [str(value) for value in (port, window.calls, window.seconds, until)]
    return subprocess.Popen([sys.executable, quota_caller.__file__, str(path), *numbers])


def wait_for(arrivals: list[float], n: int) -> None:
    while len(arrivals) < n:
        CLOCK.sleep(0.01)


def worst(arrivals: list[float], seconds: float) -> int:
    return max(sum(a <= b <= a + seconds for b in arrivals) for a in arrivals)


def test_concurrent_processes_respect_and_use_the_limit(tmp_path: Path) -> None:
    window, n_windows = Window(20, 1.0), 3
    with listening_provider() as (port, arrivals):
        path, deadline = tmp_path / "market.sqlite", CLOCK.elapsed() + 600
        processes = [start_caller(path, port, window, deadline) for _ in range(4)]
        try:
            wait_for(arrivals, 1)
            CLOCK.sleep(n_windows * window.seconds)
        finally:
            for process in processes:
                process.kill()
                process.wait()

    assert worst(arrivals, window.seconds) <= window.calls
    # A busy machine loses more than the 2 % of the simulation.
    assert len(arrivals) >= 0.8 * window.calls * n_windows


def test_the_slot_of_a_killed_process_is_free_after_the_lease(tmp_path: Path) -> None:
    path, window = tmp_path / "market.sqlite", Window(2, 0.2)
    budget = Budget("acme", (window,))
    ledger = QuotaLedger(path)
    with listening_provider() as (port, arrivals):
        process = start_caller(path, port, window, until=0)
        wait_for(arrivals, 1)
        process.kill()
        process.wait()

    # Its request may still be in flight. The other slot stays usable.
    for _ in range(3):
        with ledger.call(budget, purpose="ingest"):
            assert ledger.usage(budget).windows[0].made == 2
    with ledger._database.transaction() as db:
        db.execute("UPDATE calls SET ended = ended - 120.5")
    assert ledger.usage(budget).windows[0].made == 0
    assert ledger.usage(budget).made_today == 4


def test_a_killed_waiting_process_does_not_block_others(tmp_path: Path) -> None:
    path, window = tmp_path / "market.sqlite", Window(1, 1.0)
    budget = Budget("acme", (window,))
    ledger = QuotaLedger(path)
    with listening_provider() as (port, arrivals):
        with ledger.call(budget, purpose="ingest"):
            process = start_caller(path, port, window, until=CLOCK.elapsed() + 600)
            while not ledger.usage(budget).waiting:
                CLOCK.sleep(0.01)
            process.kill()
            process.wait()
        with pytest.raises(QuotaError), ledger.call(budget, purpose="quote", max_wait=0.1):
            pytest.fail("another caller is before it")

        with ledger.call(budget, purpose="quote"):
            assert ledger.usage(budget).waiting == 0
        assert arrivals == []
