"""How many calls a key may make: what a provider published, as data. Keeping to it is `quota`."""

from __future__ import annotations

from dataclasses import dataclass


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
