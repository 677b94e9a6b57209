"""Fetching of one ticker's bars: the sessions to request.

`market.ingest.acceptance` decides whether a response is accepted, `market.ingest.due_ingest` stores
its bars.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from core.errors import TierError
from market.ingest.acceptance import AcceptableBars, FetchedBars
from market.ingest.joining.mismatch import FILL, MIN_SHARED
from market.ingest.joining.reconcile import ReconciledBars, reconcile_bars, replace_bars
from market.providers.protocol import SessionRange

# Stored sessions that are fetched again, to detect corrections and other price levels.
OVERLAP = 5
# A history that starts so many sessions after the first requested one is that of a new listing.
_NEW_LISTING = 5


class BarFetcher:
    """Fetches the bars of one ticker.

    Parameters
    ----------
    requests
        Requests for these bars to the provider.
    tolerance
        See `market.ingest.joining.reconcile.reconcile_bars`.
    """

    def __init__(self, requests: AcceptableBars, *, tolerance: float) -> None:
        self._requests = requests
        self._ticker = requests.ticker
        self._stored = requests.stored
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
            return self._refetch_if_restated(self._requests.fetch(None, self._reconcile))
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
            fetched = self._requests.fetch(self._range(first), self._reconcile)
        except TierError as error:
            if error.reach is None:
                raise
            gap = self._requests.count_since(stored[-1] + timedelta(days=1))
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
        fetched = self._requests.fetch(self._range(start), self._reconcile)
        if fetched.validated.bars.is_empty():
            return fetched
        first = fetched.validated.bars.get_column("session")[0]
        is_new_listing = len(self._requests.sessions.between(start, first)) > _NEW_LISTING
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
            again = self._requests.fetch(None, replace_stored)
        except TierError as error:
            if error.reach is None or newest.height >= error.reach:
                reconciled = replace_bars(self._stored, newest, tolerance=self._tolerance)
                again = replace(fetched, reconciled=reconciled)
            else:
                start = self._last_sessions(error.reach)[0]
                again = self._requests.fetch(self._range(start), replace_stored)
        note = (
            f"{self._ticker}: {again.reconciled.restated} stored sessions were restated, back to "
            f"{again.reconciled.bars.get_column('session')[0]}, and fetched again."
        )
        return replace(again, notes=(*fetched.notes, *again.notes, note))

    def _reconcile(self, bars: pl.DataFrame) -> ReconciledBars:
        return reconcile_bars(self._stored, bars, tolerance=self._tolerance)

    def _last_sessions(self, n: int) -> pl.Series:
        sessions = self._requests.sessions
        return sessions.between(sessions.first, self._requests.closed).tail(n)

    def _range(self, start: date) -> SessionRange:
        return SessionRange(start, self._requests.count_since(start))
