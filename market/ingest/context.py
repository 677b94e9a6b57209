"""The stored data of tickers and the rules of an ingest, which all kinds of ingest share."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from core.clock import Clock
from core.errors import UnknownTickerError
from market.bars.contract import BAR_SCHEMA
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.ingest.planning.ticker_plan import count_behind
from market.ingest.report import NOTHING_STORED, IngestReport
from market.ingest.ticker_state import TickerStateStore
from market.store import BarStore

logger = logging.getLogger(__name__)

# Tickers that earlier versions stored with a dash.
_SHARE_CLASS = re.compile(r"^([A-Z]{1,5})\.([A-Z])$")


@dataclass(frozen=True)
class IngestContext:
    """Bars, refused rows and ingest states of a home, and the rules of its ingest.

    Attributes
    ----------
    sessions_of
        Returns the sessions of a ticker's exchange.
    tolerance
        Maximum relative difference between the closes of two providers at which they are joined.
    real_moves
        Confirmed moves, see `market.quality.report.unusable_tickers`.
    """

    store: BarStore
    quarantine: Quarantine
    ticker_states: TickerStateStore
    sessions_of: Callable[[str], Sessions]
    tolerance: float
    real_moves: Collection[str]
    clock: Clock

    def stored_bars(self, ticker: str) -> pl.DataFrame:
        """Return all stored bars of a ticker, sorted by session; empty without any."""
        try:
            return self.store.read([ticker])
        except UnknownTickerError:
            return BAR_SCHEMA.to_frame()

    def report(self, ticker: str, **values: Any) -> IngestReport:  # noqa: ANN401  # its fields
        """Return a report on the present state of a ticker with the given fields."""
        stored = values.get("stored", NOTHING_STORED)
        last = self.store.last_sessions([ticker]).get(ticker)
        defaults = {
            "outcome": "ingested" if stored.has_changes else "nothing_new",
            "actions_through": self.ticker_states.get(ticker).actions_through,
            "sessions_behind": count_behind(last, self.sessions_of(ticker), self.clock.now()),
        }
        return IngestReport(ticker, **(defaults | values))

    def adopt_old_spelling(self, ticker: str) -> tuple[str, ...]:
        """Rename the bars that an earlier version stored as ``BRK-B``; return a note on it.

        Otherwise the ticker would be ingested a second time as ``BRK.B``. Nothing is renamed if
        both are stored.
        """
        old = _SHARE_CLASS.sub(r"\1-\2", ticker)
        if old == ticker or {*self.store.last_sessions([old, ticker])} != {old}:
            return ()
        self.ticker_states.rename(old, ticker)
        refused = self.quarantine.read([old])
        if not refused.is_empty():
            self.quarantine.replace(ticker, refused.with_columns(ticker=pl.lit(ticker)))
            self.quarantine.replace(old, refused.clear())
        # Last, so that a killed process renames everything again.
        n_bars = self.store.rename(old, ticker)
        logger.info("event=ticker_renamed old=%s new=%s bars=%d", old, ticker, n_bars)
        return (f"{ticker}: its {n_bars:,} bars were stored as {old} before.",)
