"""Limits of the Alpha Vantage emulator, which counts requests itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from support.alpha_vantage import bodies

NEW_YORK = ZoneInfo("America/New_York")
# Calls per second, per minute and per day.
LIMITS = {
    "free": (1, 5, 25),
    "premium_75": (5, 75, None),
    "premium_150": (5, 150, None),
    "premium_300": (10, 300, None),
    "premium_600": (20, 600, None),
    "premium_1200": (30, 1200, None),
}


def refusal_of(
    tier: str | None, key: str, query: Mapping[str, str], made: Sequence[datetime], *, now: datetime
) -> tuple[str, dict[str, Any]] | None:
    """Return the limit that a request exceeds and the response, or None. Refused requests count."""
    if tier is None:
        return "key", bodies.INVALID_KEY
    per_second, per_minute, per_day = LIMITS[tier]
    today = now.astimezone(NEW_YORK).date()
    if per_day and sum(at.astimezone(NEW_YORK).date() == today for at in made) >= per_day:
        return "day", bodies.per_day(key)
    if sum(now - at < timedelta(seconds=1) for at in made) >= per_second:
        return "pace", bodies.PER_SECOND if tier == "free" else bodies.BURST
    if sum(now - at < timedelta(minutes=1) for at in made) >= per_minute:
        return "pace", bodies.PER_MINUTE if tier == "free" else bodies.PER_MINUTE_PREMIUM
    return _beyond_free(query) if tier == "free" else None


def _beyond_free(query: Mapping[str, str]) -> tuple[str, dict[str, Any]] | None:
    if query.get("function") == "TIME_SERIES_DAILY_ADJUSTED":
        return "tier", bodies.PREMIUM_ONLY
    if query.get("outputsize") == "full":
        return "tier", bodies.PREMIUM_FULL
    return None
