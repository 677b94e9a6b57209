"""How many calls a key may make, and how many it made, as data. Keeping to it is `quota`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Purpose = Literal["ingest", "actions", "quote", "search"]


@dataclass(frozen=True)
class Window:
    """At most `calls` in any stretch of `seconds`."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Budget:
    """What one key of one provider may do.

    Attributes
    ----------
    account
        The provider's name and, where there is a key, a digest of it: budgets belong to keys.
    windows
        Limits on any stretch of time; all of them hold.
    per_day
        Calls a day of the provider, or None without such a limit.
    timezone
        Where the provider's day starts at midnight.
    """

    account: str
    windows: tuple[Window, ...] = ()
    per_day: int | None = None
    timezone: str = "UTC"

    @property
    def provider(self) -> str:
        """The provider's name, without the digest: for sentences that anyone may read."""
        return self.account.partition(":")[0]


@dataclass(frozen=True)
class WindowUse:
    """How many calls count in a window now, of how many that may."""

    made: int
    calls: int
    seconds: float


@dataclass(frozen=True)
class Usage:
    """What was made of a budget.

    Attributes
    ----------
    made_today
        Calls in the present day of the provider, of all processes.
    per_day, left_today
        The day's limit and what is left of it, or None without such a limit. Nothing is left once
        the provider said so.
    windows
        Use of each window.
    renews_at
        When the provider's day ends, or when it may be asked again if it refused before that; UTC.
    by_purpose
        `made_today` by what the calls were for.
    is_refused
        Whether the provider itself refused, and is not to be asked for a while.
    waiting
        Callers that wait for a window.
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
