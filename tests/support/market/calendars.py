"""Calendars that end on a given date, whatever `exchange_calendars` is installed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from market.calendars import sessions
from market.calendars.sessions import Sessions


def end_calendar(monkeypatch: pytest.MonkeyPatch, exchange: str, end: date) -> None:
    """End the calendar of an exchange, as if later holidays were not published."""
    load, whole = sessions.load_calendar, Sessions(exchange)._calendar
    n_sessions = int(np.searchsorted(whole.sessions, np.datetime64(end, "D"), side="right"))
    ended = replace(
        whole,
        sessions=whole.sessions[:n_sessions],
        closes=whole.closes[:n_sessions],
        end=end,
        published_until=end,
    )
    monkeypatch.setattr(
        sessions, "load_calendar", lambda name: ended if name == exchange else load(name)
    )
