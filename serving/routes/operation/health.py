"""GET /health: status of the service, and every health issue with its duration.

The status code is 200 while forecasts are live, even with issues (`degraded`), and 503 otherwise.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from market.providers.failover.circuit_breaker import BreakerState
from market.quota.budgets import Usage
from serving.http.operations import OPERATION, ApiRoute, Operation
from serving.http.schemas.health import Health
from serving.live.live_state import DATA, MODEL_TOPICS, PROVIDERS, REFRESH, REGISTRY
from serving.routes.common import read_query, respond
from serving.state import ServiceState, state_of

# A refresh is overdue after this number of poll intervals, and after this number of seconds.
_OVERDUE_POLLS, _OVERDUE_SECONDS = 10, 30.0
# Probes read `/health` often; `/models/status` lists all tickers without a forecast.
_MAX_LISTED = 20


async def get_health(request: Request) -> Response:
    """Return status, age of the data and issues."""
    read_query(request)
    health = Health.model_validate(read_health(state_of(request)))
    return respond(health, 503 if health.status == "unhealthy" else 200)


def read_health(state: ServiceState) -> dict[str, Any]:
    """Return the body of `/health` at the present time of the clock."""
    live = state.live
    table = live.forecasts.table if live.forecasts else None
    issues = _issues(state)
    status = "unhealthy" if table is None else "degraded" if issues else "healthy"
    without_forecast = table.without_forecast if table else {}
    return {
        "status": status,
        "dependencies": _dependencies(issues, is_live=table is not None),
        "model_version": table.model.version if table else None,
        "tickers": len(table.rows) if table else 0,
        "tickers_without_forecast": len(without_forecast),
        "without_forecast": dict(sorted(without_forecast.items())[:_MAX_LISTED]),
        "data_age_sessions": table.age_sessions if table else None,
        "registry": "down" if REGISTRY in live.issues else "up",
        "providers": [_provider(s.breaker) for s in live.providers if s.breaker is not None],
        "quota": [_quota(s.name, s.usage) for s in live.providers if s.usage is not None],
        "last_refresh_seconds_ago": _seconds_since_refresh(state),
        "issues": issues,
    }


def _dependencies(issues: list[dict[str, Any]], *, is_live: bool) -> dict[str, dict[str, Any]]:
    """Return the status of each dependency; a new topic is one too."""
    details = {issue["topic"]: issue["detail"] for issue in issues}

    def status(topic: str) -> str:
        if topic not in details:
            return "healthy"
        return "unhealthy" if topic in MODEL_TOPICS and not is_live else "degraded"

    topics = dict.fromkeys([*MODEL_TOPICS, DATA, PROVIDERS, REFRESH, *details])
    return {topic: {"status": status(topic), "detail": details.get(topic)} for topic in topics}


def _issues(state: ServiceState) -> list[dict[str, Any]]:
    now = state.clock.now()
    issues = [
        {
            "topic": topic,
            "detail": issue.detail,
            "since": issue.since,
            "duration_seconds": round((now - issue.since).total_seconds(), 1),
        }
        for topic, issue in list(state.live.issues.items())
    ]
    seconds = _seconds_since_refresh(state)
    limit = max(_OVERDUE_SECONDS, _OVERDUE_POLLS * state.poll_seconds)
    if seconds is None or seconds > limit:
        detail = f"The last refresh did not finish within {limit:g} s."
        issues.append({"topic": REFRESH, "detail": detail, "since": state.live.refreshed_at})
    return issues


def _seconds_since_refresh(state: ServiceState) -> float | None:
    if state.live.refreshed_at is None:
        return None
    return round((state.clock.now() - state.live.refreshed_at).total_seconds(), 1)


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


ROUTES = (
    ApiRoute(
        "/health",
        get_health,
        Operation(
            "Status of the service and of its dependencies", OPERATION, Health, also={503: Health}
        ),
    ),
)
