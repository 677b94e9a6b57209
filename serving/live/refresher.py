"""Refresh of the live state: run one follower for each source of changes.

A new source is a new follower class, added in `serving.state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from serving.live.live_state import REFRESH, LiveState


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

    async def start(self) -> None:
        """Run the followers until forecasts are live, each at most once.

        A restart restores the last live version first, and is then ready before the registry has
        responded. `run` continues at once, and reports the issues.
        """
        for follower in self._followers:
            await asyncio.to_thread(_try_refresh, follower)
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
        failures = [error for follower in self._followers if (error := _try_refresh(follower))]
        if failures:
            self._live.report_issue(REFRESH, f"The refresh failed: {'; '.join(failures)}")
        else:
            self._live.clear_issue(REFRESH)
        self._live.metrics.write()
        self._live.refreshed_at = self._live.clock.now()


def _try_refresh(follower: Follower) -> str | None:
    """Return the unexpected error of a follower, because it must not end the polling."""
    try:
        follower.refresh()
    except Exception as error:  # noqa: BLE001  # reported by the caller
        return f"{type(follower).__name__}: {type(error).__name__}: {error}"
    return None
