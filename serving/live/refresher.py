"""Refresh of the live state: run one follower for each source of changes.

A new source is a new follower class, added in `serving.state`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from serving.live.live_state import REFRESH, LiveState
from serving.observability.events import log_event


class Follower(Protocol):
    """Follows one source, and applies its changes to the live state."""

    def refresh(self) -> None:
        """Read the source once. Expected errors become health issues."""
        ...


class ChampionRefresher:
    """Runs the followers in order. The live forecasts stay if one of them fails."""

    def __init__(
        self, live: LiveState, followers: Sequence[Follower], *, poll_seconds: float
    ) -> None:
        self._live = live
        self._followers = followers
        self._poll_seconds = poll_seconds
        self._logged: set[str] = set()

    async def start(self) -> None:
        """Run the followers until forecasts are live, each at most once.

        A restart restores the last live version first, and is then ready before the registry has
        responded. `run` continues at once, and reports the issues.
        """
        for follower in self._followers:
            await asyncio.to_thread(self._attempt, follower.refresh, type(follower).__name__)
            if self._live.forecasts is not None:
                break
        self._live.refreshed_at = self._live.clock.now()

    async def run(self) -> None:
        """Refresh every `poll_seconds` until cancelled."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(self._poll_seconds)

    def refresh(self) -> None:
        """Run every follower once. Unexpected errors become one health issue."""
        steps = [(follower.refresh, type(follower).__name__) for follower in self._followers]
        steps.append((self._live.metrics.write, "Metrics"))
        failures = [failure for step in steps if (failure := self._attempt(*step))]
        if failures:
            detail = f"The refresh failed: {'; '.join(failures)}. Report it with its traceback."
            self._live.report_issue(REFRESH, detail)
        else:
            self._live.clear_issue(REFRESH)
        self._logged.intersection_update(failures)
        self._live.refreshed_at = self._live.clock.now()

    def _attempt(self, step: Callable[[], None], name: str) -> str | None:
        """Return the unexpected error of a step, because it must not end the polling."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # reported by the caller
            failure = f"{name}: {type(error).__name__}: {error}"
            if failure not in self._logged:
                self._logged.add(failure)
                log_event("refresh_failed", level=logging.ERROR, traceback_of=error, step=name)
            return failure
        return None
