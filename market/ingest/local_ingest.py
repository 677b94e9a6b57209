"""Ingest of local data, such as own files, which is read whole each time and costs no call."""

from __future__ import annotations

from functools import cached_property

from market.bars.contract import validate_bars
from market.bars.corporate_actions import actions_known_through
from market.ingest.acceptance import refuse_without_bars
from market.ingest.context import IngestContext
from market.ingest.joining.whole_history import replace_history
from market.ingest.report import (
    IngestReport,
    note_replaced,
    note_unusable,
    summarize_fetched,
)
from market.ingest.ticker_state import NO_FAILURE
from market.providers.protocol import LocalProvider, Provider


class LocalIngest:
    """Replaces the stored bars of a ticker by the whole history of a local provider."""

    def __init__(self, context: IngestContext, provider: Provider) -> None:
        self._context = context
        self._provider = provider

    @cached_property
    def _source_version(self) -> str | None:
        """The version of the data before it is read, so that later changes are noticed."""
        if not isinstance(self._provider, LocalProvider):
            return None
        return self._provider.source_version()

    def ingest(self, ticker: str) -> IngestReport:
        """Store the whole history of a ticker.

        Raises
        ------
        StockcastError
            See `market.providers.protocol.Provider.fetch` and
            `market.ingest.joining.whole_history.replace_history`.
        """
        context, now = self._context, self._context.clock.now()
        _ = self._source_version
        bars = self._provider.fetch(ticker)
        # Own files may show that the ticker follows another calendar than that of its suffix.
        sessions = context.sessions_of(ticker)
        validated = validate_bars(bars, sessions, last_session=sessions.last_closed(now))
        context.quarantine.replace(ticker, validated.quarantine)
        refuse_without_bars(ticker, validated)
        history = replace_history(
            context.stored_bars(ticker), validated.bars, sessions, tolerance=context.tolerance
        )
        replaced = context.store.replace(history.bars)
        context.ticker_states.update(
            ticker,
            requested_at=now,
            responded_at=context.clock.now(),
            has_full_history=True,
            actions_through=actions_known_through(history.bars),
            **NO_FAILURE,
        )
        self.record_source_version(ticker)
        return context.report(
            ticker,
            **summarize_fetched(validated),
            stored=replaced,
            restated=history.restated,
            notes=note_replaced(ticker, replaced, history.restated)
            + note_unusable(history.bars, context.real_moves),
        )

    def record_source_version(self, ticker: str) -> None:
        """Record the version of the local data that an ingest of `ticker` has read."""
        if self._source_version is not None:
            self._context.ticker_states.record_source_version(ticker, self._source_version)
