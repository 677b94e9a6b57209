"""Limits of calls to a provider, and their usage, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Purpose = Literal["ingest", "actions", "quote", "search"]


@dataclass(frozen=True)
class Window:
    """At most `calls` calls in any period of `seconds`."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Budget:
    """Limits of one key, or of one address for a provider without keys.

    Attributes
    ----------
    account
        Name of the provider and, with a key, a digest of the key after a colon.
    windows
        Limits of the rate. All of them apply.
    per_day
        Calls per day of the provider, or None without such a limit.
    timezone
        Time zone of the midnight that starts the provider's day.
    """

    account: str
    windows: tuple[Window, ...] = ()
    per_day: int | None = None
    timezone: str = "UTC"

    @property
    def provider(self) -> str:
        """Name of the provider, without the digest, for messages."""
        return self.account.partition(":")[0]


@dataclass(frozen=True)
class WindowUse:
    """Calls that count in a window now, and its limit."""

    made: int
    calls: int
    seconds: float


@dataclass(frozen=True)
class Usage:
    """Usage of a budget by all processes.

    Attributes
    ----------
    made_today
        Calls in the provider's current day.
    per_day, left_today
        Limit per day and the rest of it, or None without a limit. The rest is 0 after the provider
        has refused the day.
    windows
        Usage of each window.
    renews_at
        Time in UTC at which the day ends, or at which a refusal with an earlier end expires.
    by_purpose
        `made_today` by purpose.
    is_refused
        Whether a refusal of the provider is in effect.
    waiting
        Number of callers that wait for a window.
    """

    account: str
    made_today: int
    per_day: int | None
    left_today: int | None
    windows: tuple[WindowUse, ...]
    renews_at: datetime
    by_purpose: Mapping[str, int]
    is_refused: bool
    waiting: int
