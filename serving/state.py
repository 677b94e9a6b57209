"""What routes and the fast path share: filled in by the service when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from serving.http.problems import Problem
from serving.live.challenger import ChallengerCache
from serving.live.live_state import LiveState
from serving.observability.metrics import Metrics
from serving.quotes import QuoteCache


@dataclass
class ServiceState:
    """What routes share; the service fills it in when it starts."""

    desk: LiveState
    metrics: Metrics | None = None
    challenger: ChallengerCache | None = None
    quotes: QuoteCache | None = None

    def count(self, route: str, horizon: str) -> None:
        """Count one forecast."""
        if self.metrics is not None:
            self.metrics.count(route, horizon)

    def require_quotes(self) -> QuoteCache:
        """Return who asks for prices, which the service made before it listens."""
        if self.quotes is None:
            msg = "The service is starting; ask again."
            raise Problem(503, "not-ready", msg)
        return self.quotes


def state_of(request: Request) -> ServiceState:
    """Return what the app was built with."""
    office: ServiceState = request.app.state.office
    return office
