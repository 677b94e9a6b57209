"""What is live right now, and what stands in the way: the one object that routes and front read.

Only `serving.live.refresher` changes it, from one thread. Readers take `desk.live` once a request, so that a
swap in the middle of it changes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from serving.forecasts.forecast_table import (
    ForecastTable,
    PrecomputedResponse,
    RequestKey,
    request_keys,
)
from serving.http.problems import RUN_THE_PIPELINE, Problem
from serving.observability.events import log_event
from serving.provider_status import Prices

PRICES = "prices"


@dataclass(frozen=True)
class Live:
    """A book of answers with the finished ones under their request_keys."""

    book: ForecastTable
    ready: dict[RequestKey, PrecomputedResponse]

    def answer(self, ticker: str, horizon: int) -> PrecomputedResponse:
        """Return a finished answer, and keep it when it is made here for the first time."""
        keys = request_keys(ticker, horizon)
        if (known := self.ready.get(keys[0])) is not None:
            return known
        answer = self.book.ready(ticker, horizon)
        self.ready.update(dict.fromkeys(keys, answer))
        return answer


@dataclass(frozen=True)
class HealthIssue:
    """Something that a person should know about, since when."""

    sentence: str
    since: datetime


@dataclass(frozen=True)
class RefusedVersion(HealthIssue):
    """Why a version may not go live; without `retry_at` for good."""

    retry_at: datetime | None = None

    def can_be_retried(self, now: datetime) -> bool:
        """Say whether the cause may have gone."""
        return self.retry_at is not None and now >= self.retry_at


@dataclass
class LiveState:
    """The live answers, and everything `/health` and `/models/status` log_event.

    `ready` belongs to `live`; it stands here too because the front reads it for every request.
    """

    live: Live | None = None
    ready: dict[RequestKey, PrecomputedResponse] = field(default_factory=dict)
    live_since: datetime | None = None
    alias_version: int | None = None
    refused: dict[int, RefusedVersion] = field(default_factory=dict)
    troubles: dict[str, HealthIssue] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    polled_at: datetime | None = None
    poll_seconds: float = 1.0

    def show(self, book: ForecastTable, now: datetime) -> None:
        """Put a book on display; its answers are finished before anyone can see it."""
        live = Live(book, book.precompute_responses())
        swapped = self.live is None or self.live.book.model is not book.model
        self.live, self.ready = live, live.ready
        if swapped:
            self.live_since = now

    def report_issue(self, topic: str, sentence: str, now: datetime) -> None:
        """Remember a trouble, and log_event it once however long it lasts."""
        known = self.troubles.get(topic)
        if known is None or known.sentence != sentence:
            self.troubles[topic] = HealthIssue(sentence, known.since if known else now)
            log_event("trouble", level=logging.WARNING, topic=topic, detail=sentence)

    def clear_issue(self, topic: str, now: datetime) -> None:
        """Forget a trouble that is over, and log_event how long it lasted."""
        known = self.troubles.pop(topic, None)
        if known is not None:
            log_event("trouble_over", topic=topic, seconds=(now - known.since).total_seconds())

    def require(self) -> Live:
        """Return what is live; without it the `Problem` says what is missing and the way out."""
        if self.live is not None:
            return self.live
        # Without providers of prices, forecasts go on: they are never what is missing.
        known = [item for item in self.troubles.items() if item[0] != PRICES]
        topic, trouble = known[0] if known else ("champion", None)
        kind = f"no-{topic}" if topic in {"champion", "snapshot"} else "not-ready"
        detail = trouble.sentence if trouble else f"No champion is live yet. {RUN_THE_PIPELINE}"
        raise Problem(503, kind, detail)
