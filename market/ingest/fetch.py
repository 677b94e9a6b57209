"""Fetching of one ticker's bars: the sessions to request, and the acceptance of a response.

`market.ingest.reconcile` compares the bars with the stored ones; `market.ingest.ticker_ingest`
stores them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from core.errors import (
    BarsError,
    ReconciliationError,
    StockcastError,
    TierError,
    TransientError,
)
from market.bars.contract import ValidatedBars, validate_bars
from market.calendars.sessions import Sessions
from market.ingest.reconcile import FILL, MIN_SHARED, ReconciledBars, reconcile_bars, replace_bars
from market.providers.failover.chain import AcceptedBars, ProviderChain
from market.providers.protocol import Provider, SessionRange

# Stored sessions that are fetched again, to detect corrections and other price levels.
OVERLAP = 5
# Closed sessions that the first provider may lack before a backup is used: it may publish late.
_MAX_MISSING = 3
# A history that starts so many sessions after the first requested one is that of a new listing.
_NEW_LISTING = 5

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


class BarFetcher:
    """Fetches the bars of one ticker.

    Parameters
    ----------
    sessions
        Calendar of the ticker's exchange.
    closed
        Last closed session; later bars are ignored.
    stored
        All stored bars of the ticker, sorted by session.
    tolerance
        See `market.ingest.reconcile.reconcile_bars`.
    """

    def __init__(
        self,
        provider: Provider,
        ticker: str,
        *,
        sessions: Sessions,
        closed: date,
        stored: pl.DataFrame,
        tolerance: float,
    ) -> None:
        self._provider = provider
        self._ticker = ticker
        self._sessions = sessions
        self._closed = closed
        self._stored = stored
        self._tolerance = tolerance

    def fetch_history(self) -> FetchedBars:
        """Fetch the whole history, or as many sessions as the tiers of the providers reach back.

        Raises
        ------
        ReconciliationError
            If the bars of no provider match the stored ones.
        StockcastError
            See `market.providers.protocol.Provider.fetch`.
        """
        try:
            return self._refetch_if_restated(self._fetch_acceptable(None, self._reconcile))
        except TierError as error:
            if error.reach is None:
                raise
            refusal = error
        if not self._stored.is_empty():
            return self.fetch_newest()
        fetched = self._fetch_reach(refusal.reach)
        if fetched.is_complete:
            return fetched
        note = (
            f"{self._ticker} has no more history than the tier of the key reaches back; the whole "
            f"history is requested again after each new session. {refusal}"
        )
        return replace(fetched, notes=(*fetched.notes, note))

    def fetch_newest(self, *, since: date | None = None) -> FetchedBars:
        """Fetch the sessions after the stored bars, and the last stored sessions again.

        Parameters
        ----------
        since
            An earlier stored session to start with.

        Raises
        ------
        TierError
            If the gap is longer than the tiers reach back and no provider can fill it.
        StockcastError
            As in `fetch_history`.
        """
        stored = self._stored.get_column("session")
        first = stored.tail(OVERLAP)[0]
        if since is not None:
            first = min(first, since)
        try:
            fetched = self._fetch_acceptable(self._range(first), self._reconcile)
        except TierError as error:
            if error.reach is None:
                raise
            gap = self._count_since(stored[-1] + timedelta(days=1))
            if gap + MIN_SHARED > error.reach:
                msg = (
                    f"{self._ticker}: the {gap} sessions after {stored[-1]}, the last stored one, "
                    f"cannot all be fetched, and a gap would look like one giant return. To fill "
                    f"it, {FILL}. {error}"
                )
                raise TierError(msg, reach=error.reach) from error
            fetched = self._fetch_reach(error.reach)
        return self._refetch_if_restated(fetched)

    def _fetch_reach(self, reach: int | None) -> FetchedBars:
        """Fetch as many sessions as the tier reaches back."""
        start = self._last_sessions(reach or 1)[0]
        fetched = self._fetch_acceptable(self._range(start), self._reconcile)
        if fetched.validated.bars.is_empty():
            return fetched
        first = fetched.validated.bars.get_column("session")[0]
        is_new_listing = len(self._sessions.between(start, first)) > _NEW_LISTING
        return replace(fetched, is_complete=is_new_listing)

    def _refetch_if_restated(self, fetched: FetchedBars) -> FetchedBars:
        """Fetch the whole history again if it was restated before the first fetched session."""
        if not fetched.reconciled.reaches_back:
            return fetched
        newest = fetched.validated.bars

        def replace_stored(bars: pl.DataFrame) -> ReconciledBars:
            reconcile_bars(newest, bars, tolerance=self._tolerance)
            return replace_bars(self._stored, bars, tolerance=self._tolerance)

        try:
            again = self._fetch_acceptable(None, replace_stored)
        except TierError as error:
            if error.reach is None or newest.height >= error.reach:
                reconciled = replace_bars(self._stored, newest, tolerance=self._tolerance)
                again = replace(fetched, reconciled=reconciled)
            else:
                start = self._last_sessions(error.reach)[0]
                again = self._fetch_acceptable(self._range(start), replace_stored)
        note = (
            f"{self._ticker}: {again.reconciled.restated} stored sessions were restated, back to "
            f"{again.reconciled.bars.get_column('session')[0]}, and fetched again."
        )
        return replace(again, notes=(*fetched.notes, *again.notes, note))

    def _fetch_acceptable(
        self, session_range: SessionRange | None, reconcile: Reconcile
    ) -> FetchedBars:
        """Return the first acceptable response, or a response without new bars if all are late.

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
            delivery = self._fetch(session_range, accept)
        except StockcastError as error:
            without_news = late if isinstance(error, TransientError) else late + late_backup
            if not without_news:
                raise
            return replace(without_news[0], notes=(f"{self._ticker} has no newer bar: {error}",))
        return replace(accepted[-1], notes=delivery.notes)

    def _fetch(
        self, session_range: SessionRange | None, accept: Callable[[pl.DataFrame], None]
    ) -> AcceptedBars:
        if isinstance(self._provider, ProviderChain):
            return self._provider.fetch_accepted(self._ticker, session_range, accept)
        bars = self._provider.fetch(self._ticker, session_range)
        accept(bars)
        return AcceptedBars(bars, self._provider.name)

    def _validate(
        self, bars: pl.DataFrame, session_range: SessionRange | None, reconcile: Reconcile
    ) -> FetchedBars:
        # The session in progress is ignored, not refused. A row without a session is refused.
        closed = bars.filter((pl.col("session") <= self._closed).fill_null(value=True))
        validated = validate_bars(closed, self._sessions, last_session=self._closed)
        if validated.quarantine.height:
            refuse_without_bars(self._ticker, validated)
        return FetchedBars(
            validated,
            reconcile(validated.bars),
            start=None if session_range is None else session_range.start,
            is_complete=session_range is None,
            notes=(),
        )

    def _reconcile(self, bars: pl.DataFrame) -> ReconciledBars:
        return reconcile_bars(self._stored, bars, tolerance=self._tolerance)

    def _count_missing(self, fetched: FetchedBars) -> int:
        """Return the number of closed sessions that a response without any new bar lacks."""
        if len(fetched.reconciled.new) or self._stored.is_empty():
            return 0
        return self._count_since(self._stored.get_column("session")[-1] + timedelta(days=1))

    def _last_sessions(self, n: int) -> pl.Series:
        return self._sessions.between(self._sessions.first, self._closed).tail(n)

    def _range(self, start: date) -> SessionRange:
        return SessionRange(start, self._count_since(start))

    def _count_since(self, start: date) -> int:
        return len(self._sessions.between(start, self._closed))


def refuse_without_bars(ticker: str, validated: ValidatedBars) -> None:
    """Raise `BarsError` if no fetched row is valid."""
    if not validated.bars.is_empty():
        return
    reasons = validated.quarantine.get_column("reason")
    msg = f"{ticker}: no bar was fetched; stored bars stay."
    if len(reasons):
        msg = f"{ticker}: every fetched bar is invalid; the first reason is: {reasons[0]}."
    raise BarsError(msg)
