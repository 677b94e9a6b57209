"""One ticker's way from a provider into the store, and what is remembered of it.

Belongs here: doing what is due, in an order that a kill cannot hurt: bars are stored first, then
remembered. Not here: what is due (`planning`), asking and comparing (`asking`), the order of
tickers, schedules and retries (pipelines).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import (
    BarsError,
    PermanentError,
    QuotaError,
    ReconciliationError,
    StockcastError,
    UnknownTickerError,
)
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.bars.corporate_actions import actions_known_through, add_actions, split_factor_on
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.ingest.fetch import BarFetcher, FetchedBars
from market.ingest.plan import IngestTask, count_behind, plan
from market.ingest.report import NOTHING, IngestReport, delivered
from market.ingest.splits import ResolvedBars, resolve_split_jumps
from market.ingest.ticker_state import TickerState, TickerStateStore
from market.providers.protocol import ActionsProvider, Provider
from market.store import BarStore, UpsertReport

__all__ = ["Ingest", "IngestReport"]

# Refusals that cost a call and concern the ticker alone: it is asked less and less often.
_OF_TICKER = (UnknownTickerError, BarsError, ReconciliationError)
_NO_FAILURE = {
    "last_error": None,
    "failed_at": None,
    "is_permanent": False,
    "permanent_failures": 0,
}


class Ingest:
    """Takes bars, splits and dividends in, as far as they are due.

    A provider that tells no splits and dividends, as the sample and your own files are without
    backups, is read whole each time: that costs no call, and its `adj_close` keeps one base.

    Parameters
    ----------
    sessions_of
        Each ticker's calendar.
    join_tolerance
        How far (relative) closes of two providers may differ to be joined.
    clock
        What time it is; by default this machine's.
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
        clock: Clock | None = None,
    ) -> None:
        self._provider = provider
        self._store = store
        self._quarantine = quarantine
        self._ticker_states = ticker_states
        self._sessions_of = sessions_of
        self._tolerance = join_tolerance
        self._clock = clock or SystemClock()

    @property
    def costs_calls(self) -> bool:
        """Whether asking uses up calls, so that only what is due is asked for."""
        return isinstance(self._provider, ActionsProvider)

    def plan(self, tickers: Sequence[str], *, force: bool = False) -> list[IngestTask]:
        """Return what is due for the tickers, most urgent first; see `planning.plan`.

        Parameters
        ----------
        force
            Do not wait for tickers that failed or had no new bar: a person asks.
        """
        last, records = self._store.last_sessions(tickers), self._ticker_states.read(tickers)
        if force:
            records = {
                t: replace(r, stale_responses=0, permanent_failures=0) for t, r in records.items()
            }
        apart = isinstance(self._provider, ActionsProvider) and self._provider.has_separate_actions
        tasks = plan(
            tickers, last, records, self._sessions_of, self._clock.now(), has_separate_actions=apart
        )
        if self.costs_calls:
            return tasks
        reason = f"{self._provider.name} is read whole each time"
        return [replace(task, kind="history", reason=reason) for task in tasks]

    def ingest_ticker(self, ticker: str, *, force: bool = False) -> IngestReport:
        """Do what is most urgent for one ticker, by as few calls as can be, and store it at once.

        Where bars and actions are due, that is the bars; the next call takes the actions.

        Raises
        ------
        QuotaError
            When our budget of calls is spent; nothing was lost, ask again when it renews.
        StockcastError
            When nobody delivers; it is remembered, and a ticker that stays a permanent failure is
            asked less and less often.
        """
        task = self.plan([ticker], force=force)[0]
        if task.kind == "nothing":
            if task.sessions_behind == 0:
                return self._report(ticker, outcome="up_to_date")
            return self._report(ticker, notes=(f"{ticker}: {task.reason}",))
        try:
            if task.kind == "actions":
                return self._take_actions(ticker)
            return self._take_bars(ticker, task) if self.costs_calls else self._take_all(ticker)
        except QuotaError:
            # It is the key that has to wait, whatever the ticker.
            raise
        except StockcastError as error:
            self._remember_failure(ticker, task, error)
            raise

    def _take_bars(self, ticker: str, task: IngestTask) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        sessions, now = self._sessions_of(ticker), self._clock.now()
        record, stored = self._ticker_states.get(ticker), self._stored(ticker)
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
            answer = fetcher.fetch_history()
        elif provider.has_separate_actions:
            answer = fetcher.fetch_newest()
        else:
            # Bars that came without actions, from a backup, get them from the first provider.
            answer = fetcher.fetch_newest(since=record.actions_through or stored["session"][0])
        settled = resolve_split_jumps(ticker, stored, answer.joined, provider)
        self._quarantine.replace(ticker, answer.checked.quarantine, since=answer.since)
        upserted = self._store.upsert(settled.bars)
        self._remember(ticker, record, answer, settled, requested_at=now, closed=closed)
        return self._report(
            ticker,
            **delivered(answer.checked),
            stored=upserted,
            sources=_sources(settled),
            restated=answer.joined.restated,
            notes=answer.notes + settled.notes,
        )

    def _remember(
        self,
        ticker: str,
        record: TickerState,
        answer: FetchedBars,
        settled: ResolvedBars,
        *,
        requested_at: datetime,
        closed: date,
    ) -> None:
        last = settled.history.get_column("session").max()
        through, responded_at = actions_known_through(settled.history), self._clock.now()
        stale_responses = 1 if len(settled.new) or settled.held else record.stale_responses + 1
        is_news = through == last and through != record.actions_through
        self._ticker_states.update(
            ticker,
            requested_at=requested_at,
            responded_at=responded_at,
            has_full_history=record.has_full_history or answer.is_complete,
            actions_through=through,
            actions_at=responded_at if settled.asked or is_news else record.actions_at,
            stale_responses=0 if last == closed else stale_responses,
            withheld_from=settled.held,
            unconfirmed_jump=settled.unconfirmed_jump or record.unconfirmed_jump,
            **_NO_FAILURE,
        )

    def _take_actions(self, ticker: str) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        record, bars = self._ticker_states.get(ticker), self._stored(ticker)
        last = bars["session"][-1]
        # A process that died between storing and remembering has paid for them already.
        was_paid = actions_known_through(bars) == last != record.actions_through
        upserted = UpsertReport(0, 0, bars.height)
        if not was_paid:
            bars = add_actions(bars, provider.fetch_actions(ticker))
            upserted = self._store.upsert(bars)
        through, unconfirmed_jump = actions_known_through(bars), record.unconfirmed_jump
        if unconfirmed_jump is not None and split_factor_on(bars, unconfirmed_jump) != 1.0:
            unconfirmed_jump = None
        self._ticker_states.update(
            ticker,
            actions_through=through,
            actions_at=self._clock.now(),
            unconfirmed_jump=unconfirmed_jump,
        )
        return self._report(ticker, stored=upserted)

    def _take_all(self, ticker: str) -> IngestReport:
        """Read a provider whose answers are whole and cost nothing."""
        sessions, now = self._sessions_of(ticker), self._clock.now()
        fetched = self._provider.fetch(ticker)
        checked = validate_bars(fetched, sessions, last_session=sessions.last_closed(now))
        self._quarantine.replace(ticker, checked.quarantine)
        upserted = self._store.upsert(checked.bars)
        through = actions_known_through(checked.bars) if checked.bars.height else None
        self._ticker_states.update(
            ticker,
            requested_at=now,
            responded_at=self._clock.now(),
            has_full_history=True,
            actions_through=through,
            **_NO_FAILURE,
        )
        return self._report(ticker, **delivered(checked), stored=upserted)

    def _remember_failure(self, ticker: str, task: IngestTask, error: StockcastError) -> None:
        """Write down why nothing came; what cost a call and will not help is asked less often."""
        now, failures = self._clock.now(), self._ticker_states.get(ticker).permanent_failures
        is_permanent = isinstance(error, PermanentError)
        values = {"last_error": str(error), "failed_at": now, "is_permanent": is_permanent}
        if task.kind == "actions":
            values |= {"is_permanent": False} | ({"actions_at": now} if is_permanent else {})
        elif is_permanent:
            values["permanent_failures"] = failures + 1 if isinstance(error, _OF_TICKER) else 1
        self._ticker_states.update(ticker, requested_at=now, **values)

    def _stored(self, ticker: str) -> pl.DataFrame:
        try:
            return self._store.read([ticker])
        except UnknownTickerError:
            return BAR_SCHEMA.to_frame()

    def _report(self, ticker: str, **values: Any) -> IngestReport:  # noqa: ANN401  # its fields
        stored, last = (
            values.get("stored", NOTHING),
            self._store.last_sessions([ticker]).get(ticker),
        )
        defaults = {
            "outcome": "ingested" if stored.inserted or stored.updated else "nothing_new",
            "actions_through": self._ticker_states.get(ticker).actions_through,
            "sessions_behind": count_behind(last, self._sessions_of(ticker), self._clock.now()),
        }
        return IngestReport(ticker, **(defaults | values))


def _sources(settled: ResolvedBars) -> dict[str, int]:
    new = settled.history.filter(pl.col("session").is_in(settled.new.implode()))
    counts = new.group_by("source").len().sort("source")
    return {str(source): n for source, n in counts.iter_rows()}
