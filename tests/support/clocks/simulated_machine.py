"""A machine in simulated time, with concurrent programs, kills, reboots and clock changes.

One program runs at a time, until it sleeps. Every planned interleaving is therefore exact and
repeatable. The provider uses the true time. `skew` is the error of the wall clock in seconds.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

BOOTED = 5.0


class KilledError(BaseException):
    """Raised by the next clock call of a killed program, which then never reaches the database."""


class Program:
    """One process, as a thread that waits for its turn."""

    def __init__(self, run: Callable[[], None], came_back: threading.Semaphore) -> None:
        self.turn = threading.Semaphore(0)
        self.has_begun = self.is_dead = False
        self.error: BaseException | None = None
        self._run, self._came_back = run, came_back
        self.thread = threading.Thread(target=self._main, daemon=True)

    def _main(self) -> None:
        try:
            self.turn.acquire()
            if not self.is_dead:
                self._run()
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the machine
            self.error = error
        finally:
            self.is_dead = True
            self._came_back.release()


class SimulatedMachine:
    """A `core.clock.Clock` for its programs, and the plan of their kills and reboots."""

    def __init__(self, start: datetime) -> None:
        self.start = start.astimezone(UTC)
        self.true = 0.0
        self.skew = 0.0
        self.booted_at = -BOOTED
        self.boots = 1
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._came_back = threading.Semaphore(0)
        self.programs: list[Program] = []

    @property
    def boot_id(self) -> str:
        self._die_if_killed()
        return f"boot-{self.boots}"

    def now(self) -> datetime:
        self._die_if_killed()
        return self.start + timedelta(seconds=self.true + self.skew)

    def elapsed(self) -> float:
        self._die_if_killed()
        return self.true - self.booted_at

    def sleep(self, seconds: float) -> None:
        program = self._running()
        assert program is not None
        self._die_if_killed()
        self.at(self.true + seconds, lambda: self._resume(program))
        self._came_back.release()
        program.turn.acquire()
        self._die_if_killed()

    def at(self, true: float, action: Callable[[], None]) -> None:
        """Plan an action at a true time."""
        heapq.heappush(self._plan, (true, next(self._order), action))

    def launch(self, at: float, run: Callable[[], None]) -> Program:
        """Plan the start of a program."""
        program = Program(run, self._came_back)
        self.programs.append(program)
        program.thread.start()
        self.at(at, lambda: self._resume(program))
        return program

    def kill(self, program: Program) -> None:
        """Kill the program: no further line of it runs, and its thread ends."""
        if not program.is_dead:
            program.is_dead = True
            program.turn.release()
            self._came_back.acquire()

    def kill_one(self, which: float) -> None:
        """Kill the program that a number selects."""
        self.kill(self.programs[int(abs(which)) % len(self.programs)])

    def set_off(self, skew: float) -> None:
        """Set the difference between wall clock and true time, in seconds."""
        self.skew = skew

    def reboot(self, off: float) -> None:
        """Kill every started program. The machine runs again after `off` seconds."""
        for program in self.programs:
            if program.has_begun:
                self.kill(program)
        self.boots += 1
        # Also when it was still off.
        self.booted_at = max(self.true, self.booted_at) + off

    def run(self, until: float) -> None:
        """Run all actions planned up to `until`, then kill the programs that still run."""
        try:
            while self._plan and self._plan[0][0] <= until:
                self.true, _, action = heapq.heappop(self._plan)
                action()
        finally:
            for program in self.programs:
                self.kill(program)
        for program in self.programs:
            if program.error is not None:
                raise program.error

    def _resume(self, program: Program) -> None:
        if self.true < self.booted_at:
            self.at(self.booted_at, lambda: self._resume(program))
        elif not program.is_dead:
            program.has_begun = True
            program.turn.release()
            self._came_back.acquire()

    def _running(self) -> Program | None:
        here = threading.current_thread()
        return next((p for p in self.programs if p.thread is here), None)

    def _die_if_killed(self) -> None:
        program = self._running()
        if program is not None and program.is_dead:
            raise KilledError
