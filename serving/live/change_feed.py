"""Feed of the changes that `serving.routes.forecasts.events` streams to clients.

The feed keeps the newest change of each topic and not the history, so its memory is bounded, a slow
client skips to the newest state, and a client can resume from any number of this start.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

ChangeKind = Literal["version", "forecasts", "quote"]
_MAX_TOPICS = 10_000
_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True)
class Change:
    """Newest change of one topic.

    Parameters
    ----------
    number
        Position in the order of all changes since the start, from 1.
    ticker
        Ticker of a quote. None for a change of the version or of all forecasts.
    """

    number: int
    kind: ChangeKind
    ticker: str | None
    data: Mapping[str, Any]


class ChangeFeed:
    """Newest changes by topic. Any thread publishes; one event loop reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Oldest change first.
        self._changes: dict[tuple[ChangeKind, str | None], Change] = {}
        self._number = 0
        # A restarted service counts from 1 again, so an event id also names the start.
        self._epoch = secrets.token_hex(4)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self.readers = 0

    def publish(self, kind: ChangeKind, data: Mapping[str, Any], ticker: str | None = None) -> None:
        """Replace the change of a topic, and wake the readers."""
        with self._lock:
            topic = (kind, ticker)
            self._changes.pop(topic, None)
            if len(self._changes) >= _MAX_TOPICS:
                del self._changes[next(iter(self._changes))]
            self._number += 1
            self._changes[topic] = Change(self._number, kind, ticker, data)
        # `wait_after` sets the loop before it reads the number, so no change is missed.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def after(self, number: int) -> list[Change]:
        """Return the newest change of each topic that changed after `number`, oldest first."""
        with self._lock:
            return [change for change in self._changes.values() if change.number > number]

    async def wait_after(self, number: int) -> None:
        """Wait until a topic changes after `number`."""
        self._loop = asyncio.get_running_loop()
        while self._number <= number:
            await self._changed.wait()

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Count a reader in `readers`."""
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    def event_id(self, number: int) -> str:
        """Return the id with which a client resumes after `number`."""
        return f"{self._epoch}-{number}"

    def resume_after(self, event_id: str | None) -> int:
        """Return the number of an event id, or 0 if this start has sent no such id."""
        epoch, _, number = (event_id or "").partition("-")
        if epoch != self._epoch or not _NUMBER.fullmatch(number) or int(number) > self._number:
            return 0
        return int(number)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
