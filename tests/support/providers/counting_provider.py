"""A provider's own count of arrivals, kept without a look at our ledger, and programs that call it.

It counts the way a strict provider might: any stretch of a window's length, closed at both ends,
wherever it begins, and days of its own zone.
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

# How long a call lasts, when in it the request arrives (0 to 1), and the pause after it.
Calls = Iterable[tuple[float, float, float]]
# When a program begins, and its calls.
Plan = list[tuple[float, Calls]]
# When, "kill", "reboot" or "set", and by how much.
Upsets = list[tuple[float, str, float]]
# In memory: a test makes thousands of commits. What a disk keeps is tested elsewhere.
_RAM = "/dev/shm" if Path("/dev/shm").is_dir() else None


class CountingProvider:
    """One account of a provider, and the machine and the ledger that it is called from."""

    def __init__(self, budget: Budget, machine: SimulatedMachine, ledger: QuotaLedger) -> None:
        self.budget, self.machine, self.ledger = budget, machine, ledger
        self.arrivals: list[float] = []
        self._on_the_way: set[int] = set()

    def happen(self, plan: Plan, upsets: Upsets, until: float) -> None:
        """Run the programs, and each of them once more, soon, after a reboot."""

        def reboot(off: float) -> None:
            self._reboot(off)
            for at, calls in plan:
                self.launch(self.machine.booted_at + at / 20, calls)

        for at, calls in plan:
            self.launch(at, calls)
        for at, kind, much in upsets:
            action = {"kill": self.machine.kill_one, "reboot": reboot, "set": self.machine.set_off}
            self.machine.at(at, lambda act=action[kind], much=much: act(much))
        self.machine.run(until)

    def launch(self, at: float, calls: Calls) -> None:
        """Plan a program that makes these calls; when it is refused it comes again later."""

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

    def worst(self, seconds: float) -> int:
        """The most arrivals in any closed stretch of so many seconds."""
        arrivals = sorted(self.arrivals)
        return max(
            (sum(first <= other <= first + seconds for other in arrivals) for first in arrivals),
            default=0,
        )

    def by_day(self) -> dict[date, int]:
        zone, start = ZoneInfo(self.budget.timezone), self.machine.start
        instants = [start + timedelta(seconds=arrival) for arrival in self.arrivals]
        return dict(Counter(instant.astimezone(zone).date() for instant in instants))

    def assert_kept(self) -> None:
        for window in self.budget.windows:
            assert self.worst(window.seconds) <= window.calls
        if self.budget.per_day is not None:
            assert max(self.by_day().values(), default=0) <= self.budget.per_day

    def _send(self, arrives_after: float) -> None:
        """Let a request arrive; it does so too when its process is killed meanwhile."""
        number = len(self._on_the_way) + len(self.arrivals)
        self._on_the_way.add(number)
        self.machine.at(self.machine.true + arrives_after, lambda: self._arrive(number))

    def _arrive(self, number: int) -> None:
        if number in self._on_the_way:
            self._on_the_way.remove(number)
            self.arrivals.append(self.machine.true)

    def _reboot(self, off: float) -> None:
        """Reboot; what was on the way arrives as late as it then can."""
        self.machine.reboot(abs(off) % 90)
        self.arrivals += [self.machine.booted_at] * len(self._on_the_way)
        self._on_the_way.clear()


@contextmanager
def counting_provider(budget: Budget, start: datetime) -> Iterator[CountingProvider]:
    """Give a provider with a machine of its own that was never used."""
    machine = SimulatedMachine(start)
    with tempfile.TemporaryDirectory(dir=_RAM) as folder:
        ledger = QuotaLedger(Path(folder) / "market.sqlite", machine)
        yield CountingProvider(budget, machine, ledger)
