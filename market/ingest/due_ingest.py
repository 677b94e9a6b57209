"""Ingest of what is due from providers of which each request costs a call: bars and actions."""

from __future__ import annotations

from datetime import date

import polars as pl

from market.bars.corporate_actions import actions_known_through, add_actions, split_factor_on
from market.ingest.acceptance import AcceptableBars, FetchedBars
from market.ingest.context import IngestContext
from market.ingest.fetch import BarFetcher
from market.ingest.joining.splits import resolve_split_jumps
from market.ingest.report import (
    RECENT,
    IngestReport,
    count_sources,
    note_unusable,
    summarize_fetched,
)
from market.ingest.ticker_state import NO_FAILURE
from market.providers.protocol import ActionsProvider, Provider
from market.store import UpsertReport


class DueIngest:
    """Fetches the due bars, splits and dividends of one ticker, and stores them."""

    def __init__(self, context: IngestContext, provider: Provider) -> None:
        self._context = context
        self._provider = provider

    def ingest_bars(self, ticker: str, *, whole: bool) -> IngestReport:
        """Fetch and store the due bars.

        Bars are stored before the state is updated, so that a kill in between loses no bars and no
        calls.

        Parameters
        ----------
        whole
            Fetch the whole history instead of the sessions after the stored bars.

        Raises
        ------
        StockcastError
            If no provider delivers.
        """
        context, provider = self._context, self._provider
        assert isinstance(provider, ActionsProvider)
        now, state = context.clock.now(), context.ticker_states.get(ticker)
        stored = context.stored_bars(ticker)
        fetched = self._fetch(ticker, stored, state.actions_through, whole=whole)
        resolved = resolve_split_jumps(ticker, stored, fetched.reconciled, provider)
        context.quarantine.replace(ticker, fetched.validated.quarantine, since=fetched.start)
        upserted = context.store.upsert(resolved.bars)
        closed = context.sessions_of(ticker).last_closed(now)
        responded_at = context.clock.now()
        context.ticker_states.update(
            ticker,
            requested_at=now,
            responded_at=responded_at,
            has_full_history=state.has_full_history or fetched.is_complete,
            **resolved.state_changes(state, closed=closed, responded_at=responded_at),
            **NO_FAILURE,
        )
        newest = resolved.history.tail(len(resolved.new) + RECENT)
        return context.report(
            ticker,
            **summarize_fetched(fetched.validated),
            stored=upserted,
            sources=count_sources(resolved.history, resolved.new),
            restated=fetched.reconciled.restated,
            notes=fetched.notes + resolved.notes + note_unusable(newest, context.real_moves),
        )

    def _fetch(
        self, ticker: str, stored: pl.DataFrame, actions_through: date | None, *, whole: bool
    ) -> FetchedBars:
        requests = AcceptableBars(
            self._provider,
            ticker,
            sessions_of=self._context.sessions_of,
            now=self._context.clock.now(),
            stored=stored,
        )
        fetcher = BarFetcher(requests, tolerance=self._context.tolerance)
        if whole:
            return fetcher.fetch_history()
        if getattr(self._provider, "has_separate_actions", False):
            return fetcher.fetch_newest()
        # Fetch bars of a backup without actions again: the first provider may have them.
        return fetcher.fetch_newest(since=actions_through or stored["session"][0])

    def ingest_actions(self, ticker: str) -> IngestReport:
        """Fetch all splits and dividends, and store them with the bars.

        Raises
        ------
        StockcastError
            If no provider delivers.
        """
        context, provider = self._context, self._provider
        assert isinstance(provider, ActionsProvider)
        state, bars = context.ticker_states.get(ticker), context.stored_bars(ticker)
        last = bars["session"][-1]
        # A process that was killed before it updated the state has stored the actions already.
        is_stored = actions_known_through(bars) == last != state.actions_through
        upserted = UpsertReport(0, 0, bars.height)
        if not is_stored:
            bars = add_actions(bars, provider.fetch_actions(ticker))
            upserted = context.store.upsert(bars)
        jump = state.unconfirmed_jump
        if jump is not None and split_factor_on(bars, jump) != 1.0:
            jump = None
        context.ticker_states.update(
            ticker,
            actions_through=actions_known_through(bars),
            actions_at=context.clock.now(),
            unconfirmed_jump=jump,
        )
        return context.report(ticker, stored=upserted)
