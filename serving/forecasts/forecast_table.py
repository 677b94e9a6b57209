"""Forecast table: the output of one model for every ticker of one snapshot.

A table is immutable. A new champion, a new snapshot or a closed session leads to a new table, and
`serving.live` publishes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from http import HTTPStatus

import numpy as np

from core.errors import ForecastError
from core.isolation import find_faulty
from core.tickers import unknown_ticker
from forecasting.bundle.graph import Floats
from forecasting.snapshot import Snapshot
from market.calendars.sessions import Sessions
from serving.forecasts.explanation import build_explanation
from serving.forecasts.price_measures import UniverseReturns
from serving.forecasts.responses import ForecastRow, Freshness, build_forecast
from serving.http.problems import Problem
from serving.http.schemas.forecast import Forecast
from serving.models.model_cache import LiveModel
from serving.models.verification import BATCH_SIZE


@dataclass(frozen=True)
class ForecastTable:
    """Forecasts of one model for every ticker of one snapshot.

    Parameters
    ----------
    rows
        Model output by ticker.
    without_forecast
        Reason by ticker, for each ticker of the snapshot that is not in `rows`.
    closed_sessions
        Last closed session by exchange, for each exchange in `rows`.
    max_age_sessions
        Maximum age of the data of a forecast with a trading signal.
    calendar_fault
        Reason why the age is unknown, once no exchange in `rows` has a calendar any more.
    """

    model: LiveModel
    snapshot: Snapshot
    rows: dict[str, ForecastRow]
    without_forecast: dict[str, str]
    computed_at: datetime
    closed_sessions: dict[str, date]
    max_age_sessions: int
    calendar_fault: str | None = None

    def forecast(self, ticker: str, horizon: int) -> Forecast:
        """Return the forecast of a ticker.

        Raises
        ------
        Problem
            If the ticker is in `without_forecast`.
        UnknownTickerError
            If the ticker is not in the snapshot.
        """
        row = self.row(ticker)
        return build_forecast(self.model, row, horizon, self.freshness(row))

    def explained_forecast(self, ticker: str, horizon: int) -> Forecast:
        """Return the forecast of a ticker with its explanation; raise as `forecast` does."""
        forecast = self.forecast(ticker, horizon)
        window = self.snapshot.windows[self.snapshot.tickers.index(ticker)]
        row, bundle = self.row(ticker), self.model.bundle
        forecast.explanation = build_explanation(bundle, row, horizon, window)
        return forecast

    def freshness(self, row: ForecastRow) -> Freshness:
        """Return the age of a row as of the closed sessions of this table."""
        last_closed, age = self.closed_sessions[row.exchange], self.row_age_sessions(row)
        return Freshness(
            self.computed_at, last_closed, age, self.max_age_sessions, self.calendar_fault
        )

    def row(self, ticker: str) -> ForecastRow:
        """Return the model output of a ticker; raise as `forecast` does."""
        if (row := self.rows.get(ticker)) is not None:
            return row
        if (reason := self.without_forecast.get(ticker)) is not None:
            msg = f"{ticker} has no forecast: {reason}"
            raise Problem(HTTPStatus.CONFLICT, "ticker-without-forecast", msg, reason=reason)
        raise unknown_ticker(ticker, "the published snapshot", self.rows)

    def aged(self, now: datetime) -> ForecastTable:
        """Return this table, or a copy with the present age if a session has closed since.

        A ticker with a calendar that has ended moves to `without_forecast`, because the age of its
        forecast is unknown. If this holds for all tickers, the forecasts stay without a signal.
        """
        closed_sessions, faulty = _last_closed_sessions(self.closed_sessions, now)
        if not closed_sessions:
            if self.calendar_fault is not None:
                return self
            return replace(self, calendar_fault=next(iter(faulty.values())))
        if closed_sessions == self.closed_sessions and self.calendar_fault is None:
            return self
        rows, undated = _split_rows(self.rows, faulty)
        return replace(
            self,
            rows=rows,
            without_forecast=self.without_forecast | undated,
            closed_sessions=closed_sessions,
            calendar_fault=None,
        )

    @cached_property
    def too_old(self) -> dict[str, int]:
        """Age in sessions by ticker, for each ticker above `max_age_sessions`; oldest first."""
        ages = {ticker: self.row_age_sessions(row) for ticker, row in self.rows.items()}
        oldest_first = sorted(ages.items(), key=lambda item: (-item[1], item[0]))
        return {ticker: age for ticker, age in oldest_first if age > self.max_age_sessions}

    @cached_property
    def age_sessions(self) -> int:
        """Number of sessions closed since the newest `as_of`, the maximum over its exchanges."""
        newest = max(row.as_of for row in self.rows.values())
        return max(self.row_age_sessions(r) for r in self.rows.values() if r.as_of == newest)

    def row_age_sessions(self, row: ForecastRow) -> int:
        """Return the number of sessions that the ticker's exchange has closed since `as_of`."""
        age = self._ages.get((row.exchange, row.as_of))
        if age is None:
            last_closed = self.closed_sessions[row.exchange]
            closed = Sessions(row.exchange).between(row.as_of, last_closed)
            age = self._ages[row.exchange, row.as_of] = max(0, len(closed) - 1)
        return age

    @cached_property
    def universe_returns(self) -> UniverseReturns:
        """Returns of all tickers of the snapshot, which must have prices."""
        assert self.snapshot.prices is not None
        return UniverseReturns.of_prices(self.snapshot.prices)

    @cached_property
    def _ages(self) -> dict[tuple[str, date], int]:
        return {}


def build_forecast_table(
    model: LiveModel, snapshot: Snapshot, now: datetime, *, max_age_sessions: int
) -> ForecastTable:
    """Run the model over the snapshot.

    Raises
    ------
    ForecastError
        If the model has no forecast for any ticker. Such a model must not be published.
    """
    rows: dict[str, ForecastRow] = {}
    without_forecast = dict(snapshot.skipped)
    for result in _run(model, snapshot):
        if isinstance(result, ForecastRow):
            rows[result.ticker] = result
        else:
            ticker, reason = result
            without_forecast[ticker] = reason
    closed_sessions, faulty = _last_closed_sessions({row.exchange for row in rows.values()}, now)
    rows, undated = _split_rows(rows, faulty)
    without_forecast |= undated
    if not rows:
        reason = next(iter(without_forecast.values()), "the snapshot is empty")
        msg = f"No ticker of the snapshot has a forecast. First reason: {reason}"
        raise ForecastError(msg)
    computed_at = now.astimezone(UTC).replace(microsecond=0)
    return ForecastTable(
        model, snapshot, rows, without_forecast, computed_at, closed_sessions, max_age_sessions
    )


def _last_closed_sessions(
    exchanges: Iterable[str], now: datetime
) -> tuple[dict[str, date], dict[str, str]]:
    """Return the last closed session of each exchange, and the reason where it is unknown."""
    closed_sessions: dict[str, date] = {}

    def add(exchange: str) -> None:
        closed_sessions[exchange] = Sessions(exchange).last_closed(now)

    faulty = find_faulty(exchanges, add)
    return closed_sessions, faulty


def _split_rows(
    rows: dict[str, ForecastRow], faulty: Mapping[str, str]
) -> tuple[dict[str, ForecastRow], dict[str, str]]:
    """Return the rows with a calendar of their exchange, and the reasons for the other tickers."""
    undated = {
        ticker: f"the age of its forecast is unknown: {faulty[row.exchange]}"
        for ticker, row in rows.items()
        if row.exchange in faulty
    }
    return {ticker: row for ticker, row in rows.items() if ticker not in undated}, undated


def _run(model: LiveModel, snapshot: Snapshot) -> Iterator[ForecastRow | tuple[str, str]]:
    """Yield the row of each ticker, or the ticker and the reason for a missing forecast."""
    for start in range(0, len(snapshot.tickers), BATCH_SIZE):
        positions = range(start, min(start + BATCH_SIZE, len(snapshot.tickers)))
        try:
            yield from _run_batch(model, snapshot, positions)
        except ForecastError:
            # One bad window fails its whole batch, so run the tickers of this batch one by one.
            for position in positions:
                try:
                    yield from _run_batch(model, snapshot, range(position, position + 1))
                except ForecastError as error:
                    yield snapshot.tickers[position], str(error)


def _run_batch(model: LiveModel, snapshot: Snapshot, positions: range) -> list[ForecastRow]:
    windows: Floats = np.ascontiguousarray(snapshot.windows[positions.start : positions.stop])
    output = model.run(windows)
    return [
        ForecastRow(
            ticker=snapshot.tickers[i],
            exchange=snapshot.exchanges[i],
            as_of=snapshot.as_of[i],
            close=snapshot.close[i],
            targets={h: sessions[i] for h, sessions in snapshot.target_sessions.items()},
            output=output,
            at=i - positions.start,
        )
        for i in positions
    ]
