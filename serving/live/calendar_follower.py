"""Follow the exchange calendars: update the age of the forecasts when a session closes."""

from __future__ import annotations

from serving.forecasts.forecast_table import last_closed_sessions
from serving.live.live_state import LiveState


class CalendarFollower:
    """Republishes the live table with the sessions that have closed since."""

    def __init__(self, live: LiveState) -> None:
        self._live = live

    def refresh(self) -> None:
        """Compare the closed sessions of the live table with the calendars."""
        if self._live.forecasts is None:
            return
        table = self._live.forecasts.table
        closed_sessions = last_closed_sessions(table.closed_sessions, self._live.clock.now())
        if closed_sessions != table.closed_sessions:
            table = table.with_closed_sessions(closed_sessions)
            self._live.publish(table, "session_closed")
