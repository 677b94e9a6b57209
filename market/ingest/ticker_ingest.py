"""Ingest of one ticker: execute its due task, store the result and update its state.

Bars are stored before the state is updated, so that a kill in between loses no bars and no calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import (
    BarsError,
    PermanentError,
    QuotaError,
    StockcastError,
    UnknownTickerError,
)
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.bars.corporate_actions import actions_known_through, add_actions, split_factor_on
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.ingest.fetch import BarFetcher, refuse_without_bars
from market.ingest.plan import IngestTask, count_behind, plan_tasks
from market.ingest.report import (
    NOTHING_STORED,
    RECENT,
    IngestReport,
    count_sources,
    note_replaced,
    note_unusable,
    summarize_fetched,
)
from market.ingest.splits import resolve_split_jumps
from market.ingest.ticker_state import NO_FAILURE, TickerStateStore, failure_changes
from market.ingest.whole_history import replace_history
from market.providers.protocol import ActionsProvider, LocalProvider, Provider
from market.store import BarStore, UpsertReport


class Ingest:
    """Fetches and stores the bars, splits and dividends that are due.

    A provider without splits and dividends, such as the sample or local files without backups, is
    read whole each time, and its bars replace the stored ones, see
    `market.ingest.whole_history.replace_history`. This costs no call.

    Parameters
    ----------
    sessions_of
        Returns the sessions of a ticker's exchange.
    join_tolerance
        Maximum relative difference between the closes of two providers whose bars are joined.
    real_moves
        Confirmed moves, see `market.quality.report.unusable_tickers`.
    clock
        The system clock by default.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        store: BarStore,
        quarantine: Quarantine,
        ticker_states: TickerStateStore,
        sessions_of: Callable[[str], Sessions],
        join_tolerance: float,
        real_moves: Collection[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._provider = provider
        self._store = store
        self._quarantine = quarantine
        self._ticker_states = ticker_states
        self._sessions_of = sessions_of
        self._tolerance = join_tolerance
        self._real_moves = real_moves
        self._clock = clock or SystemClock()

    @cached_property
    def _source_version(self) -> str | None:
        """The version of local data before it is read, so that later changes are noticed."""
        if self.costs_calls or not isinstance(self._provider, LocalProvider):
            return None
        return self._provider.source_version()

    @property
    def costs_calls(self) -> bool:
        """Whether requests cost calls, so that only due bars are fetched."""
        return isinstance(self._provider, ActionsProvider)

    def plan(self, tickers: Sequence[str], *, force: bool = False) -> list[IngestTask]:
        """Return the due tasks of the tickers, see `market.ingest.plan.plan_tasks`.

        Parameters
        ----------
        force
            Do not back off from tickers that failed or had no new bar.
        """
        last, states = self._store.last_sessions(tickers), self._ticker_states.read(tickers)
        if force:
            states = {
                ticker: replace(state, stale_responses=0, permanent_failures=0)
                for ticker, state in states.items()
            }
        provider = self._provider
        tasks = plan_tasks(
            tickers,
            last,
            states,
            self._sessions_of,
            self._clock.now(),
            has_separate_actions=isinstance(provider, ActionsProvider)
            and provider.has_separate_actions,
        )
        if self.costs_calls:
            return tasks
        reason = f"the whole history of {provider.name} is read each time"
        return [
            task if task.kind == "blocked" else replace(task, kind="history", reason=reason)
            for task in tasks
        ]

    def ingest_ticker(self, ticker: str, *, force: bool = False) -> IngestReport:
        """Execute the most urgent task of one ticker and store the result.

        If bars and actions are both due, this fetches the bars, and the next call the actions.

        Parameters
        ----------
        force
            See `plan`.

        Raises
        ------
        QuotaError
            If the budget of calls is spent. The task stays due.
        StockcastError
            If no provider delivers. The error is recorded in the state of the ticker, and requests
            are backed off after consecutive permanent errors.
        """
        task = self.plan([ticker], force=force)[0]
        if task.kind == "blocked":
            # Nothing is recorded, so that a newer calendar has an effect at once.
            raise BarsError(task.reason)
        if task.kind == "nothing":
            if task.sessions_behind == 0:
                return self._report(ticker, outcome="up_to_date")
            return self._report(ticker, notes=(f"{ticker}: {task.reason}",))
        try:
            if task.kind == "actions":
                return self._ingest_actions(ticker)
            if self.costs_calls:
                return self._ingest_due_bars(ticker, task)
            return self._ingest_whole_history(ticker)
        except QuotaError:
            # The budget concerns the key, not the ticker.
            raise
        except StockcastError as error:
            self._record_failure(ticker, task, error)
            if isinstance(error, PermanentError):
                self._record_source_version(ticker)
            raise

    def _ingest_due_bars(self, ticker: str, task: IngestTask) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        sessions, now = self._sessions_of(ticker), self._clock.now()
        state, stored = self._ticker_states.get(ticker), self._stored_bars(ticker)
        closed = sessions.last_closed(now)
        fetcher = BarFetcher(
            provider,
            ticker,
            sessions=sessions,
            closed=closed,
            stored=stored,
            tolerance=self._tolerance,
        )
        if task.kind == "history":
            fetched = fetcher.fetch_history()
        elif provider.has_separate_actions:
            fetched = fetcher.fetch_newest()
        else:
            # Fetch bars of a backup without actions again: the first provider may have them.
            fetched = fetcher.fetch_newest(since=state.actions_through or stored["session"][0])
        resolved = resolve_split_jumps(ticker, stored, fetched.reconciled, provider)
        self._quarantine.replace(ticker, fetched.validated.quarantine, since=fetched.start)
        upserted = self._store.upsert(resolved.bars)
        responded_at = self._clock.now()
        self._ticker_states.update(
            ticker,
            requested_at=now,
            responded_at=responded_at,
            has_full_history=state.has_full_history or fetched.is_complete,
            **resolved.state_changes(state, closed=closed, responded_at=responded_at),
            **NO_FAILURE,
        )
        return self._report(
            ticker,
            **summarize_fetched(fetched.validated),
            stored=upserted,
            sources=count_sources(resolved.history, resolved.new),
            restated=fetched.reconciled.restated,
            notes=fetched.notes
            + resolved.notes
            + note_unusable(resolved.history.tail(len(resolved.new) + RECENT), self._real_moves),
        )

    def _ingest_actions(self, ticker: str) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        state, bars = self._ticker_states.get(ticker), self._stored_bars(ticker)
        last = bars["session"][-1]
        # A process that was killed before it updated the state has stored the actions already.
        is_stored = actions_known_through(bars) == last != state.actions_through
        upserted = UpsertReport(0, 0, bars.height)
        if not is_stored:
            bars = add_actions(bars, provider.fetch_actions(ticker))
            upserted = self._store.upsert(bars)
        jump = state.unconfirmed_jump
        if jump is not None and split_factor_on(bars, jump) != 1.0:
            jump = None
        self._ticker_states.update(
            ticker,
            actions_through=actions_known_through(bars),
            actions_at=self._clock.now(),
            unconfirmed_jump=jump,
        )
        return self._report(ticker, stored=upserted)

    def _ingest_whole_history(self, ticker: str) -> IngestReport:
        """Replace the stored bars by all bars of a provider that is read whole each time."""
        now = self._clock.now()
        _ = self._source_version
        bars = self._provider.fetch(ticker)
        # Own files may show that the ticker follows another calendar than that of its suffix.
        sessions = self._sessions_of(ticker)
        validated = validate_bars(bars, sessions, last_session=sessions.last_closed(now))
        self._quarantine.replace(ticker, validated.quarantine)
        refuse_without_bars(ticker, validated)
        history = replace_history(
            self._stored_bars(ticker), validated.bars, sessions, tolerance=self._tolerance
        )
        replaced = self._store.replace(history.bars)
        self._ticker_states.update(
            ticker,
            requested_at=now,
            responded_at=self._clock.now(),
            has_full_history=True,
            actions_through=actions_known_through(history.bars),
            **NO_FAILURE,
        )
        self._record_source_version(ticker)
        return self._report(
            ticker,
            **summarize_fetched(validated),
            stored=replaced,
            restated=history.restated,
            notes=note_replaced(ticker, replaced, history.restated)
            + note_unusable(history.bars, self._real_moves),
        )

    def _record_source_version(self, ticker: str) -> None:
        if self._source_version is not None:
            self._ticker_states.record_source_version(ticker, self._source_version)

    def _record_failure(self, ticker: str, task: IngestTask, error: StockcastError) -> None:
        """Record an error; consecutive permanent errors of the ticker back off its requests."""
        now, state = self._clock.now(), self._ticker_states.get(ticker)
        changes = failure_changes(state, error, now, is_actions=task.kind == "actions")
        self._ticker_states.update(ticker, requested_at=now, **changes)

    def _stored_bars(self, ticker: str) -> pl.DataFrame:
        try:
            return self._store.read([ticker])
        except UnknownTickerError:
            return BAR_SCHEMA.to_frame()

    def _report(self, ticker: str, **values: Any) -> IngestReport:  # noqa: ANN401  # its fields
        stored = values.get("stored", NOTHING_STORED)
        last = self._store.last_sessions([ticker]).get(ticker)
        defaults = {
            "outcome": "ingested" if stored.has_changes else "nothing_new",
            "actions_through": self._ticker_states.get(ticker).actions_through,
            "sessions_behind": count_behind(last, self._sessions_of(ticker), self._clock.now()),
        }
        return IngestReport(ticker, **(defaults | values))
