"""A provider that counts arrivals independently of the ledger, and programs that call it.

It counts as a strict provider: in every closed period of a window's length, and per day of its time
zone.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support.clocks.simulated_machine import SimulatedMachine

from core.errors import QuotaError
from market.quota.budgets import Budget
from market.quota.ledger import QuotaLedger

# Duration of a call, share of it after which the request arrives (0 to 1), and pause after it.
Calls = Iterable[tuple[float, float, float]]
# Start of a program, and its calls.
Plan = list[tuple[float, Calls]]
# Time, kind ("kill", "reboot" or "set") and amount of a disturbance.
Disturbances = list[tuple[float, str, float]]
# In memory, because a test commits thousands of times. Durability is tested elsewhere.
_RAM = "/dev/shm" if Path("/dev/shm").is_dir() else None


class CountingProvider:
    """An account of a provider, with the machine and the ledger of its callers."""

    def __init__(self, budget: Budget, machine: SimulatedMachine, ledger: QuotaLedger) -> None:
        self.budget, self.machine, self.ledger = budget, machine, ledger
        self.arrivals: list[float] = []
        self._in_flight: set[int] = set()

    def run(self, plan: Plan, disturbances: Disturbances, until: float) -> None:
        """Run the programs with the disturbances. After a reboot each program starts again."""

        def reboot(off: float) -> None:
            self._reboot(off)
            for at, calls in plan:
                self.launch(self.machine.booted_at + at / 20, calls)

        for at, calls in plan:
            self.launch(at, calls)
        for at, kind, much in disturbances:
            action = {"kill": self.machine.kill_one, "reboot": reboot, "set": self.machine.set_off}
            self.machine.at(at, lambda act=action[kind], much=much: act(much))
        self.machine.run(until)

    def launch(self, at: float, calls: Calls) -> None:
        """Schedule a program with these calls. After a refusal it waits and continues."""

        def run() -> None:
            for lasts, arrives, pause in calls:
                try:
                    with self.ledger.call(self.budget, purpose="ingest"):
                        self._send(arrives * lasts)
                        self.machine.sleep(lasts)
                    self.machine.sleep(pause)
                except QuotaError as error:
                    wait = (error.renews_at - self.machine.now()).total_seconds()
                    assert wait > 0
                    self.machine.sleep(wait)

        self.machine.launch(at, run)

    def max_arrivals(self, seconds: float) -> int:
        """Return the largest number of arrivals in any closed period of `seconds`."""
        arrivals = sorted(self.arrivals)
        return max(
            (sum(first <= other <= first + seconds for other in arrivals) for first in arrivals),
            default=0,
        )

    def by_day(self) -> dict[date, int]:
        zone, start = ZoneInfo(self.budget.timezone), self.machine.start
        # The sum of simulated seconds is off by less than a microsecond, which must not decide.
        instants = [start + timedelta(seconds=round(arrival, 4)) for arrival in self.arrivals]
        return dict(Counter(instant.astimezone(zone).date() for instant in instants))

    def assert_limits_kept(self) -> None:
        for window in self.budget.windows:
            assert self.max_arrivals(window.seconds) <= window.calls
        if self.budget.per_day is not None:
            assert max(self.by_day().values(), default=0) <= self.budget.per_day

    def _send(self, arrives_after: float) -> None:
        """Schedule the arrival of a request, even if its process is killed in the meantime."""
        number = len(self._in_flight) + len(self.arrivals)
        self._in_flight.add(number)
        self.machine.at(self.machine.true + arrives_after, lambda: self._arrive(number))

    def _arrive(self, number: int) -> None:
        if number in self._in_flight:
            self._in_flight.remove(number)
            self.arrivals.append(self.machine.true)

    def _reboot(self, off: float) -> None:
        """Reboot. Requests in flight arrive at the latest possible time."""
        self.machine.reboot(abs(off) % 90)
        self.arrivals += [self.machine.booted_at] * len(self._in_flight)
        self._in_flight.clear()


@contextmanager
def counting_provider(budget: Budget, start: datetime) -> Iterator[CountingProvider]:
    """Yield a provider with a new machine and a new ledger."""
    machine = SimulatedMachine(start)
    with tempfile.TemporaryDirectory(dir=_RAM) as folder:
        ledger = QuotaLedger(Path(folder) / "market.sqlite", machine)
        yield CountingProvider(budget, machine, ledger)
