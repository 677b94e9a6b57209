"""The book of answers: one model over one snapshot, computed once and looked up from then on.

A book never changes; a new champion, a new snapshot or a closed session makes a new one. Noticing
those belongs to `serving.live.refresher`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

import numpy as np

from core.errors import ForecastError
from core.tickers import unknown_ticker
from forecasting.bundle.graph import Floats
from forecasting.horizons import LABEL_OF, LABELS
from forecasting.snapshot import Snapshot
from market.calendars.sessions import Sessions
from serving.forecasts.responses import ForecastRow, Freshness, build_forecast
from serving.http.problems import Problem
from serving.http.schemas import DEFAULT_HORIZON, Forecast
from serving.models.model_cache import LiveModel

# Windows that go through the graph at once: fast, and bounded in memory for any universe.
_BATCH = 256
# Up to here every answer is made ready at the swap; in a larger universe at its first request.
EAGER_TICKERS = 1_000

Message = dict[str, Any]
RequestKey = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class PrecomputedResponse:
    """A whole HTTP answer as the two ASGI messages that carry it."""

    start: Message
    body: Message
    horizon: str

    @property
    def content(self) -> bytes:
        """The answer's JSON."""
        content: bytes = self.body["body"]
        return content


@dataclass(frozen=True)
class ForecastTable:
    """Forecasts of one model for every ticker of one snapshot.

    `closed` is the last closed session of each exchange that a ticker trades on.
    """

    model: LiveModel
    snapshot: Snapshot
    rows: dict[str, ForecastRow]
    refused: dict[str, str]
    computed_at: datetime
    closed: dict[str, date]

    def forecast(self, ticker: str, horizon: int) -> Forecast:
        """Return the forecast; a `Problem` or `UnknownTickerError` says why there is none."""
        row = self.row(ticker)
        clock = Freshness(self.computed_at, self.closed[row.exchange], self.age_of(row))
        return build_forecast(self.model, row, horizon, clock)

    def row(self, ticker: str) -> ForecastRow:
        """Return a ticker's place in the output."""
        if (row := self.rows.get(ticker)) is not None:
            return row
        if (reason := self.refused.get(ticker)) is not None:
            msg = f"{ticker} has no forecast: {reason}"
            raise Problem(HTTPStatus.CONFLICT, "ticker-without-forecast", msg, reason=reason)
        raise unknown_ticker(ticker, "the published snapshot", self.rows)

    def ready(self, ticker: str, horizon: int) -> PrecomputedResponse:
        """Return the whole HTTP answer."""
        content = self.forecast(ticker, horizon).model_dump_json().encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        return PrecomputedResponse(
            start={"type": "http.response.start", "status": 200, "headers": headers},
            body={"type": "http.response.body", "body": content},
            horizon=LABEL_OF[horizon],
        )

    def precompute_responses(self) -> dict[RequestKey, PrecomputedResponse]:
        """Return every answer under its request_keys, or none yet when there are very many."""
        if len(self.rows) > EAGER_TICKERS:
            return {}
        return {
            key: answer
            for ticker in self.rows
            for horizon in LABELS.values()
            for answer in [self.ready(ticker, horizon)]
            for key in request_keys(ticker, horizon)
        }

    def at(self, closed: dict[str, date]) -> ForecastTable:
        """Return the same forecasts with their age as of other closed sessions."""
        return replace(self, closed=closed)

    @cached_property
    def age(self) -> int:
        """Sessions closed since the newest `as_of`, where several exchanges share it the most."""
        newest = max(row.as_of for row in self.rows.values())
        return max(self.age_of(row) for row in self.rows.values() if row.as_of == newest)

    def age_of(self, row: ForecastRow) -> int:
        """Sessions that a ticker's exchange has closed since its `as_of`."""
        known = self._ages.get((row.exchange, row.as_of))
        if known is None:
            closed = Sessions(row.exchange).between(row.as_of, self.closed[row.exchange])
            known = self._ages[row.exchange, row.as_of] = max(0, len(closed) - 1)
        return known

    @cached_property
    def _ages(self) -> dict[tuple[str, date], int]:
        return {}


def build_forecast_table(model: LiveModel, snapshot: Snapshot, now: datetime) -> ForecastTable:
    """Run the model over the snapshot.

    Raises
    ------
    ForecastError
        When it has no forecast for any ticker: such a model must not go live.
    """
    rows: dict[str, ForecastRow] = {}
    refused = dict(snapshot.skipped)
    for row in _run(model, snapshot):
        if isinstance(row, ForecastRow):
            rows[row.ticker] = row
        else:
            refused[row[0]] = row[1]
    if not rows:
        reason = next(iter(refused.values()), "the snapshot is empty")
        msg = f"No ticker of the snapshot has a forecast; the first one: {reason}"
        raise ForecastError(msg)
    computed_at = now.astimezone(UTC).replace(microsecond=0)
    closed = last_closed_sessions({row.exchange for row in rows.values()}, now)
    return ForecastTable(model, snapshot, rows, refused, computed_at, closed)


def last_closed_sessions(exchanges: Iterable[str], now: datetime) -> dict[str, date]:
    """Return the last session that each exchange has closed."""
    return {exchange: Sessions(exchange).last_closed(now) for exchange in exchanges}


def request_keys(ticker: str, horizon: int) -> list[RequestKey]:
    """Return the paths and queries that ask for a forecast; `path` is already percent-decoded."""
    label = LABEL_OF[horizon]
    queries = [f"horizon={label}".encode()] + ([b""] if label == DEFAULT_HORIZON else [])
    return [(f"/predict/{ticker}", query) for query in queries]


def _run(model: LiveModel, snapshot: Snapshot) -> Iterator[ForecastRow | tuple[str, str]]:
    """Yield each ticker's row, or the ticker with the reason why it has none."""
    for start in range(0, len(snapshot.tickers), _BATCH):
        positions = range(start, min(start + _BATCH, len(snapshot.tickers)))
        try:
            yield from _run_batch(model, snapshot, positions)
        except ForecastError:
            # One bad window refuses its whole batch; alone, each ticker answers for itself.
            for position in positions:
                try:
                    yield from _run_batch(model, snapshot, range(position, position + 1))
                except ForecastError as error:
                    yield snapshot.tickers[position], str(error)


def _run_batch(model: LiveModel, snapshot: Snapshot, positions: range) -> list[ForecastRow]:
    windows: Floats = np.ascontiguousarray(snapshot.windows[positions.start : positions.stop])
    output = model.bundle.run(windows)
    return [
        ForecastRow(
            ticker=snapshot.tickers[i],
            exchange=snapshot.exchanges[i],
            as_of=snapshot.as_of[i],
            close=snapshot.close[i],
            targets={h: days[i] for h, days in snapshot.target_sessions.items()},
            output=output,
            at=i - positions.start,
        )
        for i in positions
    ]
