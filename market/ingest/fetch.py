"""One ticker's bars from a provider: which sessions to ask for, and whether the answer will do.

Planning when, storing and remembering is `ingest`; the comparison with stored bars `joining`.
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

# Stored sessions that are asked for once more, to notice corrections and other providers' levels.
OVERLAP = 5
# Closed sessions that a provider may lack before the next one is asked: it may publish late.
_LATE = 3
# A history that begins so many sessions after the first one asked for is a young listing's.
_YOUNG = 5


@dataclass(frozen=True)
class FetchedBars:
    """Bars that were accepted.

    Attributes
    ----------
    checked
        What was delivered, split into good and refused rows.
    since
        The first session asked for, or None for the whole history.
    is_complete
        Whether there are no older bars to be had.
    notes
        Sentences on what was out of the ordinary.
    """

    checked: ValidatedBars
    joined: ReconciledBars
    since: date | None
    is_complete: bool
    notes: tuple[str, ...]


class BarFetcher:
    """Asks for one ticker.

    Parameters
    ----------
    sessions
        The ticker's calendar.
    closed
        The last closed session: later ones are not asked for.
    stored
        All stored bars of the ticker, sorted by session.
    tolerance
        See `reconcile_bars`.
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
        """Ask for all bars there are, or for as many as our tiers reach back.

        Raises
        ------
        StockcastError
            As `Provider.fetch` does; `ReconciliationError` when nobody's bars fit the stored ones.
        """
        try:
            return self._checked_back(self._ask(None, self._join))
        except TierError as error:
            if error.reach is None:
                raise
            refused = error
        if not self._stored.is_empty():
            return self.fetch_newest()
        answer = self._fetch_reach(refused.reach)
        if answer.is_complete:
            return answer
        note = (
            f"{self._ticker} has no more history than our tier reaches back: with each new session "
            f"it is tried whether somebody has it by then. {refused}"
        )
        return replace(answer, notes=(*answer.notes, note))

    def fetch_newest(self, *, since: date | None = None) -> FetchedBars:
        """Ask for what follows the stored bars, and for the last of these once more.

        Parameters
        ----------
        since
            An earlier stored session to begin with.

        Raises
        ------
        TierError
            When the gap is longer than our tiers reach back, and nobody fills it.
        StockcastError
            As `fetch_history` does.
        """
        stored = self._stored.get_column("session")
        first = stored.tail(OVERLAP)[0]
        if since is not None:
            first = min(first, since)
        try:
            answer = self._ask(self._span(first), self._join)
        except TierError as error:
            if error.reach is None:
                raise
            gap = self._count(stored[-1] + timedelta(days=1))
            if gap + MIN_SHARED > error.reach:
                msg = (
                    f"{self._ticker}: the {gap} sessions after {stored[-1]}, its last stored one, "
                    f"cannot be had whole, and a hole would look like one giant return. To fill "
                    f"it, {FILL}. {error}"
                )
                raise TierError(msg, reach=error.reach) from error
            answer = self._fetch_reach(error.reach)
        return self._checked_back(answer)

    def _fetch_reach(self, reach: int | None) -> FetchedBars:
        sessions = self._sessions.between(self._sessions.first, self._closed)
        since = sessions.tail(reach or 1)[0]
        answer = self._ask(self._span(since), self._join)
        if answer.checked.bars.is_empty():
            return answer
        first = answer.checked.bars.get_column("session")[0]
        is_young = len(self._sessions.between(since, first)) > _YOUNG
        return replace(answer, is_complete=is_young)

    def _checked_back(self, answer: FetchedBars) -> FetchedBars:
        """Read the whole history anew when it was restated further back than the answer goes."""
        if not answer.joined.reaches_back:
            return answer
        fresh = answer.checked.bars

        def agree(bars: pl.DataFrame) -> ReconciledBars:
            reconcile_bars(fresh, bars, tolerance=self._tolerance)
            return replace_bars(self._stored, bars, tolerance=self._tolerance)

        try:
            again = self._ask(None, agree)
        except TierError as error:
            if error.reach is None or fresh.height >= error.reach:
                joined = replace_bars(self._stored, fresh, tolerance=self._tolerance)
                again = replace(answer, joined=joined)
            else:
                since = self._sessions.between(self._sessions.first, self._closed)
                again = self._ask(self._span(since.tail(error.reach)[0]), agree)
        note = (
            f"{self._ticker}: {again.joined.restated} stored sessions were restated, as far back "
            f"as {again.joined.bars.get_column('session')[0]}, and read anew."
        )
        return replace(again, notes=(*answer.notes, *again.notes, note))

    def _ask(
        self, span: SessionRange | None, judge: Callable[[pl.DataFrame], ReconciledBars]
    ) -> FetchedBars:
        """Return the first answer that will do, or one that is merely late when there is no other.

        Raises
        ------
        StockcastError
            When no provider delivered.
        """
        taken: list[FetchedBars] = []
        late: list[FetchedBars] = []
        late_backup: list[FetchedBars] = []

        def accept(bars: pl.DataFrame) -> None:
            answer = self._judged(bars, span, judge)
            missing = self._lateness(answer)
            # A backup is asked because the first one could not answer: its silence says little.
            is_first = {*bars.get_column("source")} <= {self._provider.name}
            if missing > (_LATE if is_first else 0):
                (late if is_first else late_backup).append(answer)
                msg = f"its newest bar is {missing} closed sessions old."
                raise ReconciliationError(msg)
            taken.append(answer)

        try:
            delivery = self._deliver(span, accept)
        except StockcastError as error:
            silent = late if isinstance(error, TransientError) else late + late_backup
            if not silent:
                raise
            return replace(silent[0], notes=(f"{self._ticker} has no newer bar: {error}",))
        return replace(taken[-1], notes=delivery.notes)

    def _deliver(
        self, span: SessionRange | None, accept: Callable[[pl.DataFrame], None]
    ) -> AcceptedBars:
        if isinstance(self._provider, ProviderChain):
            return self._provider.fetch_accepted(self._ticker, span, accept)
        bars = self._provider.fetch(self._ticker, span)
        accept(bars)
        return AcceptedBars(bars, self._provider.name)

    def _judged(
        self,
        bars: pl.DataFrame,
        span: SessionRange | None,
        judge: Callable[[pl.DataFrame], ReconciledBars],
    ) -> FetchedBars:
        # The bar of a session that goes on is not asked for; a row without a session is refused.
        asked = bars.filter((pl.col("session") <= self._closed).fill_null(value=True))
        checked = validate_bars(asked, self._sessions, last_session=self._closed)
        if checked.bars.is_empty() and checked.quarantine.height:
            reason = checked.quarantine.get_column("reason")[0]
            msg = f"{self._ticker}: every bar of the answer is refused, the first one as: {reason}."
            raise BarsError(msg)
        since = None if span is None else span.start
        return FetchedBars(checked, judge(checked.bars), since, is_complete=span is None, notes=())

    def _join(self, bars: pl.DataFrame) -> ReconciledBars:
        return reconcile_bars(self._stored, bars, tolerance=self._tolerance)

    def _lateness(self, answer: FetchedBars) -> int:
        """Count the closed sessions that an answer without any new bar lacks."""
        if len(answer.joined.new) or self._stored.is_empty():
            return 0
        return self._count(self._stored.get_column("session")[-1] + timedelta(days=1))

    def _span(self, since: date) -> SessionRange:
        return SessionRange(since, self._count(since))

    def _count(self, since: date) -> int:
        return len(self._sessions.between(since, self._closed))
