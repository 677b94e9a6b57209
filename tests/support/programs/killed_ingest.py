"""A program that ingests tickers and is killed: ``killed_ingest.py HOME URL BOOT DEATH TICKER``.

DEATH is a function and a count. With ``BarStore.upsert:2`` the process kills itself (SIGKILL) just
before the second call of that function. C functions have their bare name, such as ``execute``.
BOOT is the number of the boot: the clock of each boot starts ten minutes after the previous one.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import FrameType

from support.alpha_vantage.emulator import FREE_KEY
from support.clocks.moving_clock import MovingClock
from support.market.bars import xnys
from support.market.ingest_setup import EVENING

from market.bars.quarantine import Quarantine
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.alpha_vantage.provider import AlphaVantageProvider
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.quota.ledger import QuotaLedger
from market.store import BarStore


def die_at(death: str) -> None:
    name, _, number = death.partition(":")
    calls = count(1)

    def watch(frame: FrameType, event: str, function: object) -> None:
        called = frame.f_code.co_qualname if event == "call" else getattr(function, "__name__", "")
        if event in {"call", "c_call"} and called == name and next(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def ingest_all(home: Path, url: str, boot: int, tickers: list[str]) -> None:
    clock = MovingClock(EVENING + boot * timedelta(minutes=10))
    for _ in range(boot):
        clock.reboot()
    shared = home / "market.sqlite"
    key = AlphaVantageProvider(
        key=FREE_KEY,
        tier="free",
        url=url,
        timeout=5.0,
        ledger=QuotaLedger(shared, clock),
        clock=clock,
    )
    ingest = Ingest(
        provider=ProviderChain([key], CircuitBreakers(shared, clock)),
        store=BarStore(home / "bars"),
        quarantine=Quarantine(home / "quarantine"),
        ticker_states=TickerStateStore(shared),
        sessions_of=lambda _: xnys(),
        join_tolerance=0.005,
        clock=clock,
    )
    while (task := ingest.plan(tickers)[0]).kind != "nothing":
        ingest.ingest_ticker(task.ticker)


if __name__ == "__main__":
    home, url, boot, death, *tickers = sys.argv[1:]
    if death != "never":
        die_at(death)
    ingest_all(Path(home), url, int(boot), tickers)
