"""Process that calls a provider on loopback as often as its ledger allows.

``python quota_caller.py LEDGER PORT CALLS SECONDS UNTIL``: the window is CALLS in SECONDS. The
process stops when the elapsed time of the machine is UNTIL. With 0 it makes one call without end.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from core.clock import SystemClock
from core.errors import QuotaError
from market.quota.budgets import Budget, Window
from market.quota.ledger import QuotaLedger


def arrive(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b".")
        connection.recv(1)


def main(path: str, port: int, calls: int, seconds: float, until: float) -> None:
    clock = SystemClock()
    ledger, budget = QuotaLedger(Path(path), clock), Budget("acme", (Window(calls, seconds),))
    while until == 0 or clock.elapsed() < until:
        try:
            left = until - clock.elapsed() if until else 60.0
            with ledger.call(budget, purpose="ingest", max_wait=left):
                arrive(port)
                if until == 0:
                    time.sleep(600)
        except QuotaError:
            return


if __name__ == "__main__":
    file, *numbers = sys.argv[1:]
    main(file, int(numbers[0]), int(numbers[1]), float(numbers[2]), float(numbers[3]))
