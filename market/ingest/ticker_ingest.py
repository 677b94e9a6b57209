"""Ingest of one ticker: execute its due task and record failures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from core.clock import Clock, SystemClock
from core.errors import BarsError, PermanentError, QuotaError, StockcastError
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.ingest.context import IngestContext
from market.ingest.due_ingest import DueIngest
from market.ingest.following import LocalFollower
from market.ingest.local_ingest import LocalIngest
from market.ingest.planning.plan import plan_tasks
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.report import IngestReport
from market.ingest.ticker_state import TickerStateStore, failure_changes
from market.providers.protocol import ActionsProvider, Provider
from market.store import BarStore


class Ingest:
    """Fetches and stores the bars, splits and dividends that are due.

    A provider without splits and dividends, such as the sample or local files without backups, is
    read whole each time, and its bars replace the stored ones, see
    `market.ingest.joining.whole_history.replace_history`. This costs no call. In a chain with other
    providers, stored bars follow local data first, see `market.ingest.following`.

    Parameters
    ----------
    sessions_of
        Returns the sessions of a ticker's exchange.
    join_tolerance
        Maximum relative difference between the closes of two providers at which they are joined.
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
        self._context = IngestContext(
            store,
            quarantine,
            ticker_states,
            sessions_of,
            join_tolerance,
            real_moves,
            clock or SystemClock(),
        )
        self._due = DueIngest(self._context, provider)
        self._local = LocalIngest(self._context, provider)
        self._follower = LocalFollower(self._context, provider)

    @property
    def costs_calls(self) -> bool:
        """Whether requests cost calls, so that only due bars are fetched."""
        return isinstance(self._provider, ActionsProvider)

    def plan(self, tickers: Sequence[str], *, force: bool = False) -> list[IngestTask]:
        """Return the due tasks of the tickers, see `market.ingest.planning.plan.plan_tasks`.

        Parameters
        ----------
        force
            Do not back off from tickers that failed or had no new bar.
        """
        context = self._context
        last = context.store.last_sessions(tickers)
        states = context.ticker_states.read(tickers)
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
            context.sessions_of,
            context.clock.now(),
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
        renamed = self._context.adopt_old_spelling(ticker)
        followed = self._follower.follow(ticker)
        task = self.plan([ticker], force=force)[0]
        if task.kind == "blocked":
            # Nothing is recorded, so that a newer calendar has an effect at once.
            raise BarsError(task.reason)
        try:
            report = self._execute(ticker, task)
        except QuotaError:
            # The budget concerns the key, not the ticker.
            raise
        except StockcastError as error:
            self._record_failure(ticker, task, error)
            if isinstance(error, PermanentError):
                self._local.record_source_version(ticker)
            raise
        report = report if followed is None else followed.merge(report)
        return replace(report, notes=renamed + report.notes)

    def _execute(self, ticker: str, task: IngestTask) -> IngestReport:
        if task.kind == "nothing":
            if task.sessions_behind == 0:
                return self._context.report(ticker, outcome="up_to_date")
            return self._context.report(ticker, notes=(f"{ticker}: {task.reason}",))
        if task.kind == "actions":
            return self._due.ingest_actions(ticker)
        if self.costs_calls:
            return self._due.ingest_bars(ticker, whole=task.kind == "history")
        return self._local.ingest(ticker)

    def _record_failure(self, ticker: str, task: IngestTask, error: StockcastError) -> None:
        """Record an error; consecutive permanent errors of the ticker back off its requests."""
        context = self._context
        now, state = context.clock.now(), context.ticker_states.get(ticker)
        changes = failure_changes(state, error, now, is_actions=task.kind == "actions")
        context.ticker_states.update(ticker, requested_at=now, **changes)
