"""Live state: the published forecasts, and the issues that `/health` and `/models/status` report.

Only the followers of `serving.live.refresher` change it, all from one thread. A reader takes
`forecasts` once for each request, so a swap does not affect a request in progress.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.clock import Clock
from market.providers.status import ProviderState
from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.precomputed import (
    PrecomputedResponse,
    RequestKey,
    build_response,
    precompute_responses,
    request_keys,
)
from serving.http.problems import RUN_THE_PIPELINE, Problem
from serving.live.change_feed import ChangeFeed
from serving.models.model_cache import LiveModel
from serving.observability.events import log_event
from serving.observability.metrics import Metrics
from serving.observability.tracing import span

CHAMPION, REGISTRY, SNAPSHOT = "champion", "registry", "snapshot"
PROVIDERS, REFRESH, DATA = "providers", "refresh", "data"
# Forecasts need these.
MODEL_TOPICS = (CHAMPION, REGISTRY, SNAPSHOT)


@dataclass(frozen=True)
class LiveForecasts:
    """A published forecast table with the responses that are ready to send."""

    table: ForecastTable
    responses: dict[RequestKey, PrecomputedResponse]

    def response(self, ticker: str, horizon: int) -> PrecomputedResponse:
        """Return a response; build and cache it at the first request."""
        keys = request_keys(ticker, horizon)
        with span("cache", cache="forecasts"):
            cached = self.responses.get(keys[0])
        if cached is not None:
            return cached
        response = build_response(self.table, ticker, horizon)
        self.responses.update(dict.fromkeys(keys, response))
        return response


@dataclass(frozen=True)
class HealthIssue:
    """A problem that needs attention, and the time of its first occurrence."""

    detail: str
    since: datetime


@dataclass(frozen=True)
class RefusedVersion(HealthIssue):
    """Reason why a version must not be published. Without `retry_at` it is final."""

    retry_at: datetime | None = None

    def can_be_retried(self, now: datetime) -> bool:
        """Return whether the version may be loaded again."""
        return self.retry_at is not None and now >= self.retry_at


@dataclass
class LiveState:
    """Published forecasts, candidate, refused versions and health issues.

    Parameters
    ----------
    max_age_sessions
        Maximum age of the data of a forecast with a trading signal.
    forecasts
        The published forecasts. None until the first champion and snapshot are available.
    responses
        Equal to `forecasts.responses`; the fast path reads it for every request.
    candidate
        Verified version that replaces the live one as soon as a snapshot fits it.
    is_stopping
        Whether the process will stop soon, so that load balancers must send no further requests.
    changes
        Changes of version, forecasts and quotes, for the clients that follow them.
    """

    clock: Clock
    metrics: Metrics
    max_age_sessions: int
    forecasts: LiveForecasts | None = None
    responses: dict[RequestKey, PrecomputedResponse] = field(default_factory=dict)
    live_since: datetime | None = None
    alias_version: int | None = None
    candidate: LiveModel | None = None
    refused: dict[int, RefusedVersion] = field(default_factory=dict)
    issues: dict[str, HealthIssue] = field(default_factory=dict)
    providers: Sequence[ProviderState] = ()
    refreshed_at: datetime | None = None
    is_stopping: bool = False
    changes: ChangeFeed = field(default_factory=ChangeFeed)

    @property
    def model(self) -> LiveModel | None:
        """The live model."""
        return self.forecasts.table.model if self.forecasts else None

    @property
    def version(self) -> int | None:
        """Version of the live model."""
        return self.model.version if self.model else None

    def require(self) -> LiveForecasts:
        """Return the published forecasts; raise a `Problem` with the reason if there are none."""
        if self.forecasts is not None:
            return self.forecasts
        # Forecasts do not need a price provider, so its issues are never the reason.
        issues = [item for item in self.issues.items() if item[0] != PROVIDERS]
        topic, issue = issues[0] if issues else (CHAMPION, None)
        kind = f"no-{topic}" if topic in {CHAMPION, SNAPSHOT} else "not-ready"
        detail = issue.detail if issue else f"No champion is live yet. {RUN_THE_PIPELINE}"
        raise Problem(503, kind, detail)

    def publish(self, table: ForecastTable, event: str) -> None:
        """Swap in a table after its responses are built; count and log the event."""
        started, previous = self.clock.elapsed(), self.model
        forecasts = LiveForecasts(table, precompute_responses(table))
        self.forecasts, self.responses = forecasts, forecasts.responses
        if previous is not table.model:
            self.live_since = self.clock.now()
        self.metrics.record_published(table.model.version, table.age_sessions, event)
        self._announce(table, event, previous)
        log_event(
            event,
            version=table.model.version,
            previous=previous.version if previous else None,
            tickers=len(table.rows),
            tickers_without_forecast=len(table.without_forecast),
            snapshot=table.snapshot.fingerprint[:12],
            age_sessions=table.age_sessions,
            seconds=self.clock.elapsed() - started,
        )

    def _announce(self, table: ForecastTable, event: str, previous: LiveModel | None) -> None:
        version = table.model.version
        if previous is not table.model:
            previous_version = previous.version if previous else None
            data = {"version": version, "previous": previous_version, "since": self.live_since}
            self.changes.publish("version", data)
        summary = {
            "reason": event,
            "version": version,
            "tickers": len(table.rows),
            "data_age_sessions": table.age_sessions,
            "computed_at": table.computed_at,
        }
        self.changes.publish("forecasts", summary)

    def refuse(self, version: int, reason: str, *, retry_at: datetime | None = None) -> None:
        """Drop the candidate and refuse its version; log each reason once."""
        self.candidate = None
        detail = f"Version {version} is refused: {reason}"
        previous = self.refused.get(version)
        since = previous.since if previous else self.clock.now()
        self.refused[version] = RefusedVersion(detail, since, retry_at)
        if previous is None or previous.detail != detail:
            self.metrics.count_refused()
            log_event("champion_refused", level=logging.ERROR, version=version, reason=reason)
        self.report_issue(CHAMPION, detail)

    def report_issue(self, topic: str, detail: str) -> None:
        """Add an issue, or update its detail; log each detail once."""
        if topic in MODEL_TOPICS and self.version is not None:
            detail = f"{detail.rstrip('.')}. Version {self.version} stays live."
        previous = self.issues.get(topic)
        if previous is None or previous.detail != detail:
            since = previous.since if previous else self.clock.now()
            self.issues[topic] = HealthIssue(detail, since)
            log_event("health_issue", level=logging.WARNING, topic=topic, detail=detail)

    def clear_issue(self, topic: str) -> None:
        """Remove an issue, and log its duration."""
        issue = self.issues.pop(topic, None)
        if issue is not None:
            seconds = (self.clock.now() - issue.since).total_seconds()
            log_event("health_issue_resolved", topic=topic, seconds=seconds)
