"""Follow the exchange calendars: update the age of the forecasts when a session closes."""

from __future__ import annotations

import logging

from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.responses import MAX_AGE_SETTING, plural
from serving.live.live_state import DATA, LiveState
from serving.observability.events import log_event

_MAX_NAMED = 5


class CalendarFollower:
    """Republishes the live table with its present age, and reports tickers with old data."""

    def __init__(self, live: LiveState) -> None:
        self._live = live

    def refresh(self) -> None:
        """Compare the closed sessions of the live table with the calendars."""
        live = self._live
        if live.forecasts is None:
            return
        published = live.forecasts.table
        table = published.aged(live.clock.now())
        if table is not published:
            for ticker in published.rows.keys() - table.rows.keys():
                reason = table.without_forecast[ticker]
                log_event("ticker_left_out", level=logging.WARNING, ticker=ticker, reason=reason)
            live.publish(table, "session_closed")
        if table.calendar_fault is not None:
            detail = (
                f"No ticker has a signal: the age of the data is unknown. {table.calendar_fault}"
            )
            live.report_issue(DATA, detail)
        elif table.too_old:
            live.report_issue(DATA, describe_old_data(table))
        else:
            live.clear_issue(DATA)


def describe_old_data(table: ForecastTable) -> str:
    """Return the tickers without a signal because of their age, with the way out."""
    named = [f"{ticker} ({age})" for ticker, age in list(table.too_old.items())[:_MAX_NAMED]]
    more = len(table.too_old) - len(named)
    names = ", ".join(named) + (f" and {more} more" if more else "")
    return (
        f"{len(table.too_old)} of {plural(len(table.rows), 'ticker')} have no signal, because"
        f" their last bar is more than {plural(table.max_age_sessions, 'session')} old: {names}."
        f" Ingest newer bars, remove delisted tickers, or raise {MAX_AGE_SETTING}."
    )
