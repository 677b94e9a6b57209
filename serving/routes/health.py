"""GET /health: whether forecasts are answered, and every trouble in a sentence with its duration.

200 while answers go out, even when something is wrong (`degraded`); 503 when there are none.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from core.clock import utc_now
from market.providers.failover.circuit_breaker import BreakerState
from market.quota.budgets import Usage
from serving.live.live_state import LiveState
from serving.state import state_of

# A look that takes longer than this, in polls and in seconds, is itself a trouble.
_SLOW_POLLS, _SLOW_SECONDS = 10, 30.0


async def get_health(request: Request) -> Response:
    """Answer with status, age of the data and troubles."""
    health = read_health(state_of(request).desk, utc_now())
    status = 503 if health["status"] == "unavailable" else 200
    return Response(orjson.dumps(health), status, media_type="application/json")


def read_health(desk: LiveState, now: datetime) -> dict[str, Any]:
    """Return what `/health` says at an instant."""
    troubles = [
        {
            "topic": topic,
            "detail": trouble.sentence,
            "since": trouble.since,
            "for_seconds": round((now - trouble.since).total_seconds(), 1),
        }
        for topic, trouble in list(desk.troubles.items())
    ]
    looked = _look_age(desk, now)
    if looked is None or looked > max(_SLOW_SECONDS, _SLOW_POLLS * desk.poll_seconds):
        detail = "The watch has not finished a look at the registry and the snapshot lately."
        troubles.append({"topic": "watch", "detail": detail, "since": desk.polled_at})
    live = desk.live
    status = "unavailable" if live is None else "degraded" if troubles else "ok"
    return {
        "status": status,
        "model_version": live.book.model.version if live else None,
        "tickers": len(live.book.rows) if live else 0,
        "data_age_sessions": live.book.age if live else None,
        "registry": "down" if "registry" in desk.troubles else "up",
        "providers": [_provider(state) for state in desk.prices.states],
        "quota": [_quota(name, usage) for name, usage in desk.prices.usages.items()],
        "last_look_seconds_ago": looked,
        "troubles": troubles,
    }


def _provider(state: BreakerState) -> dict[str, Any]:
    return {
        "name": state.name,
        "state": state.state,
        "since": state.since,
        "retry_at": state.retry_at,
        "last_success": state.last_success,
        "reason": state.reason,
    }


def _quota(provider: str, usage: Usage) -> dict[str, Any]:
    return {
        "provider": provider,
        "made_today": usage.made_today,
        "per_day": usage.per_day,
        "left_today": usage.left_today,
        "renews_at": usage.renews_at,
    }


def _look_age(desk: LiveState, now: datetime) -> float | None:
    if desk.polled_at is None:
        return None
    return round((now - desk.polled_at).total_seconds(), 1)
