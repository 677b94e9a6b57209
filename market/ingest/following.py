"""Stored bars that follow local data, such as own files, in a chain with other providers."""

from __future__ import annotations

from functools import cached_property

import polars as pl

from core.errors import BarsError, StockcastError, UnknownTickerError
from market.bars.contract import ValidatedBars
from market.bars.corporate_actions import actions_known_through
from market.ingest.acceptance import refuse_without_bars, validate_closed
from market.ingest.context import IngestContext
from market.ingest.joining.whole_history import (
    WholeHistory,
    backup_rows,
    follow_backup,
    replace_history,
)
from market.ingest.report import IngestReport, count_sources, note_replaced, note_unusable
from market.providers.failover.chain import ProviderChain
from market.providers.protocol import LocalProvider, Provider


class LocalFollower:
    """Lets stored bars follow the local data of a chain of providers, which costs no call.

    If the first provider is local, its bars replace the stored bars of their sessions, see
    `market.ingest.joining.whole_history.replace_history`. If a backup is local, only the stored
    bars that came from it follow it, see `market.ingest.joining.whole_history.follow_backup`.
    """

    def __init__(self, context: IngestContext, provider: Provider) -> None:
        self._context = context
        self._chain = provider if isinstance(provider, ProviderChain) else None
        self._local = self._chain.local_providers if self._chain else ()
        self._first = provider.name

    def follow(self, ticker: str) -> IngestReport | None:
        """Correct, add and remove stored bars; return a report on changes, or None without any.

        Local data that cannot be read, or does not fit the stored bars of other providers, is a
        note of the report, because the other providers may deliver. Nothing is changed then.
        """
        version = self._version
        report = self._follow_local(ticker)
        if version is not None:
            self._context.ticker_states.record_source_version(ticker, version)
        return report

    def _follow_local(self, ticker: str) -> IngestReport | None:
        stored = self._context.stored_bars(ticker) if self._local else pl.DataFrame()
        if stored.is_empty():
            return None
        for provider in self._local:
            try:
                report = self._follow(ticker, stored, provider)
            except UnknownTickerError:
                continue  # its stored bars stay, and another provider may have the ticker
            except StockcastError as error:
                return self._context.report(ticker, notes=(" ".join(str(error).split()),))
            if report is not None:
                return report  # the next ingest compares other local data with the new bars
        return None

    @cached_property
    def _version(self) -> str | None:
        """The version of the local data before it is read, so that later changes are noticed.

        Data that has changed since an earlier ingest of the process is read again.
        """
        try:
            return self._chain.local_version() if self._chain else None
        except BarsError:
            return None  # `fetch` raises it for the ticker

    def _follow(
        self, ticker: str, stored: pl.DataFrame, provider: LocalProvider
    ) -> IngestReport | None:
        bars, tolerance = provider.fetch(ticker), self._context.tolerance
        # Own files may show that the ticker follows another calendar than that of its suffix.
        sessions = self._context.sessions_of(ticker)
        closed = sessions.last_closed(self._context.clock.now())
        validated = validate_closed(bars, sessions, closed)
        if provider.name == self._first:
            refuse_without_bars(ticker, validated)
            others = [other.name for other in self._local if other is not provider]
            history = replace_history(
                stored, validated.bars, sessions, tolerance=tolerance, kept=others
            )
        elif stored.filter(source=provider.name).is_empty():
            return None
        else:
            validated = ValidatedBars(
                validated.bars,
                backup_rows(stored, validated.quarantine, provider.name),
                validated.set_aside,
            )
            history = follow_backup(
                stored, validated.bars, sessions, tolerance=tolerance, source=provider.name
            )
        self._replace_refused(ticker, validated, provider.name)
        return self._store(ticker, stored, history)

    def _store(
        self, ticker: str, stored: pl.DataFrame, history: WholeHistory
    ) -> IngestReport | None:
        if history.bars.equals(stored):
            return None
        replaced = self._context.store.replace(history.bars)
        through = actions_known_through(history.bars)
        self._context.ticker_states.update(ticker, actions_through=through)
        sessions = history.bars.get_column("session")
        new = sessions.filter(~sessions.is_in(stored.get_column("session").implode()))
        return self._context.report(
            ticker,
            first_session=sessions[0],
            last_session=sessions[-1],
            bars=history.bars.height,
            stored=replaced,
            sources=count_sources(history.bars, new),
            restated=history.restated,
            notes=note_replaced(ticker, replaced, history.restated)
            + note_unusable(history.bars, self._context.real_moves),
        )

    def _replace_refused(self, ticker: str, validated: ValidatedBars, source: str) -> None:
        """Replace the refused rows of the sessions that the local data has."""
        refused = validated.quarantine
        covered = pl.concat([validated.bars["session"], refused["session"]]).drop_nulls()
        is_covered = pl.col("session").is_in(covered.implode())
        is_covered = is_covered.fill_null(pl.col("source").eq_missing(pl.lit(source)))
        earlier = self._context.quarantine.read([ticker])
        kept = earlier.filter(~is_covered)
        if refused.height or kept.height < earlier.height:
            self._context.quarantine.replace(ticker, pl.concat([kept, refused]))
