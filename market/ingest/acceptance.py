"""Acceptance of a provider's response: its bars are valid, fit the stored ones and are new.

`market.ingest.fetch` decides which sessions are requested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from core.errors import BarsError, ReconciliationError, StockcastError, TransientError
from market.bars.contract import ValidatedBars, validate_bars
from market.calendars.sessions import Sessions
from market.ingest.joining.reconcile import ReconciledBars
from market.providers.failover.chain import AcceptedBars, ProviderChain
from market.providers.protocol import Provider, SessionRange

# Closed sessions that the first provider may lack before a backup is used: it may publish late.
_MAX_MISSING = 3

Reconcile = Callable[[pl.DataFrame], ReconciledBars]


@dataclass(frozen=True)
class FetchedBars:
    """Fetched bars that were accepted.

    Attributes
    ----------
    validated
        Valid bars and refused rows.
    reconciled
        The valid bars after reconciliation with the stored bars.
    start
        First requested session, None for the whole history.
    is_complete
        Whether the provider has no older bars.
    notes
        Sentences on unusual events.
    """

    validated: ValidatedBars
    reconciled: ReconciledBars
    start: date | None
    is_complete: bool
    notes: tuple[str, ...]


class AcceptableBars:
    """Requests for the bars of one ticker, which return the first acceptable response.

    Parameters
    ----------
    sessions_of
        Returns the sessions of the ticker's exchange. Own files may show that the ticker follows
        another calendar than that of its suffix, so it is called again for each response.
    now
        Current instant. Bars of sessions that are still open are ignored.
    stored
        All stored bars of the ticker, sorted by session.
    """

    def __init__(
        self,
        provider: Provider,
        ticker: str,
        *,
        sessions_of: Callable[[str], Sessions],
        now: datetime,
        stored: pl.DataFrame,
    ) -> None:
        self._provider = provider
        self.ticker = ticker
        self._sessions_of = sessions_of
        self._now = now
        self.stored = stored

    @property
    def sessions(self) -> Sessions:
        """Calendar of the ticker's exchange."""
        return self._sessions_of(self.ticker)

    @property
    def closed(self) -> date:
        """Last closed session."""
        return self.sessions.last_closed(self._now)

    def count_since(self, start: date) -> int:
        """Return the number of closed sessions from `start` on."""
        return len(self.sessions.between(start, self.closed))

    def fetch(self, session_range: SessionRange | None, reconcile: Reconcile) -> FetchedBars:
        """Return the first acceptable response, or a response without new bars if all are late.

        Parameters
        ----------
        session_range
            Sessions to request; None for the whole history.
        reconcile
            Compares valid bars with the stored ones; raises `ReconciliationError` to reject them.

        Raises
        ------
        StockcastError
            If no provider delivers.
        """
        accepted: list[FetchedBars] = []
        late: list[FetchedBars] = []
        late_backup: list[FetchedBars] = []

        def accept(bars: pl.DataFrame) -> None:
            fetched = self._validate(bars, session_range, reconcile)
            missing = self._count_missing(fetched)
            # A backup without new bars proves nothing while the first provider has failed.
            is_first = {*bars.get_column("source")} <= {self._provider.name}
            if missing > (_MAX_MISSING if is_first else 0):
                (late if is_first else late_backup).append(fetched)
                msg = f"its newest bar is {missing} closed sessions old."
                raise ReconciliationError(msg)
            accepted.append(fetched)

        try:
            delivery = self._deliver(session_range, accept)
        except StockcastError as error:
            without_news = late if isinstance(error, TransientError) else late + late_backup
            if not without_news:
                raise
            return replace(without_news[0], notes=(f"{self.ticker} has no newer bar: {error}",))
        return replace(accepted[-1], notes=delivery.notes)

    def _deliver(
        self, session_range: SessionRange | None, accept: Callable[[pl.DataFrame], None]
    ) -> AcceptedBars:
        if isinstance(self._provider, ProviderChain):
            return self._provider.fetch_accepted(self.ticker, session_range, accept)
        bars = self._provider.fetch(self.ticker, session_range)
        accept(bars)
        return AcceptedBars(bars, self._provider.name)

    def _validate(
        self, bars: pl.DataFrame, session_range: SessionRange | None, reconcile: Reconcile
    ) -> FetchedBars:
        validated = validate_closed(bars, self.sessions, self.closed)
        if validated.quarantine.height:
            refuse_without_bars(self.ticker, validated)
        return FetchedBars(
            validated,
            reconcile(validated.bars),
            start=None if session_range is None else session_range.start,
            is_complete=session_range is None,
            notes=(),
        )

    def _count_missing(self, fetched: FetchedBars) -> int:
        """Return the number of closed sessions that a response without any new bar lacks."""
        if len(fetched.reconciled.new) or self.stored.is_empty():
            return 0
        return self.count_since(self.stored.get_column("session")[-1] + timedelta(days=1))


def validate_closed(bars: pl.DataFrame, sessions: Sessions, closed: date) -> ValidatedBars:
    """Validate the bars up to the last closed session.

    The session in progress is ignored, not refused. A row without a session is refused.
    """
    is_closed = (pl.col("session") <= closed).fill_null(value=True)
    return validate_bars(bars.filter(is_closed), sessions, last_session=closed)


def refuse_without_bars(ticker: str, validated: ValidatedBars) -> None:
    """Raise `BarsError` if no fetched row is valid."""
    if not validated.bars.is_empty():
        return
    reasons = validated.quarantine.get_column("reason")
    msg = f"{ticker}: no bar was fetched; stored bars stay."
    if len(reasons):
        msg = f"{ticker}: every fetched bar is invalid; the first reason is: {reasons[0]}."
    raise BarsError(msg)
