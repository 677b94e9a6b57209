"""GET /status and GET /warmup/status: the service at a glance, and its progress after a start."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.http.operations import OPERATION, ApiRoute, Operation
from serving.http.package import package_version
from serving.http.schemas.health import ServiceStatus, Warmup, WarmupStep
from serving.live.live_state import CHAMPION, REGISTRY, SNAPSHOT, LiveState
from serving.routes.common import read_query, respond
from serving.routes.operation.health import read_health
from serving.state import ServiceState, state_of


async def get_service_status(request: Request) -> Response:
    """Return version, uptime, health and live model."""
    read_query(request)
    return respond(describe_service(state_of(request)))


async def get_warmup(request: Request) -> Response:
    """Return the steps from the start to the first forecast."""
    read_query(request)
    return respond(describe_warmup(state_of(request).live))


def describe_service(state: ServiceState) -> ServiceStatus:
    """Return the body of `/status` at the present time of the clock."""
    health = read_health(state)
    return ServiceStatus(
        service="stockcast",
        version=package_version(),
        status=health["status"],
        started_at=state.started_at,
        uptime_seconds=round((state.clock.now() - state.started_at).total_seconds(), 1),
        model_version=health["model_version"],
        live_since=state.live.live_since,
        tickers=health["tickers"],
        data_age_sessions=health["data_age_sessions"],
    )


def describe_warmup(live: LiveState) -> Warmup:
    """Return the body of `/warmup/status`.

    Live forecasts imply the steps before them, because they may come from the last live version.
    """
    is_live = live.forecasts is not None
    done = {
        "registry": live.refreshed_at is not None and REGISTRY not in live.issues,
        "champion": live.candidate is not None,
        "snapshot": False,
        "forecasts": is_live,
    }
    topics = {"registry": REGISTRY, "champion": CHAMPION, "snapshot": SNAPSHOT}
    steps = [
        WarmupStep(
            name=name,  # type: ignore[arg-type]
            done=is_live or is_done,
            detail=None if is_live else _detail(live, topics.get(name)),
        )
        for name, is_done in done.items()
    ]
    return Warmup(
        complete=is_live, progress=sum(step.done for step in steps) / len(steps), steps=steps
    )


def _detail(live: LiveState, topic: str | None) -> str | None:
    issue = live.issues.get(topic) if topic else None
    return issue.detail if issue else None


ROUTES = (
    ApiRoute(
        "/status",
        get_service_status,
        Operation("Version, uptime and live model", OPERATION, ServiceStatus),
    ),
    ApiRoute(
        "/warmup/status",
        get_warmup,
        Operation("Progress from the start to the first forecast", OPERATION, Warmup),
    ),
)
