"""One batch over many tickers: the order of the ingest tasks and the outcome of each ticker.

`market.ingest.plan` decides which tasks are due, `market.ingest.ticker_ingest` executes one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain
from typing import Literal, Protocol, Self

from core.errors import (
    PermanentError,
    ProviderKeyError,
    QuotaError,
    StockcastError,
    TransientError,
)
from market.ingest.plan import IngestTask
from market.ingest.report import IngestReport
from market.ingest.ticker_ingest import Ingest
from market.store import UpsertReport

Outcome = Literal["ingested", "nothing_new", "up_to_date", "deferred", "failed"]


@dataclass(frozen=True)
class TickerOutcome:
    """What became of one ticker in a round: a report, or the error in its place.

    `actions_error` is the error of its splits and dividends alone.
    """

    ticker: str
    outcome: Outcome
    sessions_behind: int | None
    report: IngestReport | None = None
    error: StockcastError | None = None
    actions_error: StockcastError | None = None

    @property
    def failure(self) -> StockcastError | None:
        """What failed, if anything; a budget that is spent is no failure."""
        error = self.error or self.actions_error
        return None if isinstance(error, QuotaError) else error

    @property
    def label(self) -> str:
        """The outcome as people write it."""
        return self.outcome.replace("_", " ")

    @property
    def notes(self) -> str:
        """Why it came so, in one line; empty when there is nothing to say."""
        if self.error is not None:
            return _reason(self.error)
        said = [] if self.report is None else list(self.report.notes)
        if self.report is not None and (n_refused := self.report.quarantine.height):
            said.insert(0, f"{n_refused:,} rows refused")
        if self.actions_error is not None:
            said.append(f"splits and dividends: {_reason(self.actions_error)}")
        return " ".join("; ".join(note.removeprefix(f"{self.ticker}: ") for note in said).split())

    @property
    def new_bars(self) -> str:
        """How many bars came, and from whom where several are asked."""
        if self.report is None:
            return ""
        came = [f"{n:,} from {name}" for name, n in self.report.sources.items() if n]
        inserted = self.report.stored.inserted
        return ", ".join(came) or (f"{inserted:,} new" if inserted else "")

    @property
    def summary(self) -> str:
        """What happened, in one line."""
        told = "; ".join(part for part in (self._gain, self.notes) if part)
        return f"{self.label}: {told}" if told else self.label

    @property
    def _gain(self) -> str:
        """What is there that was not there before."""
        if self.report is None or self.outcome != "ingested":
            return ""
        if self.new_bars:
            return f"{self.new_bars} to {self.report.last_session}"
        through = self.report.actions_through
        return f"splits and dividends to {through}" if through else ""

    def merge(self, later: Self) -> Self:
        """Return the two outcomes of one ticker as one: of its bars, then of its actions."""
        if self.report is None:
            return later
        if later.report is None:
            return replace(self, actions_error=later.actions_error or later.error)
        both = zip(astuple(self.report.stored), astuple(later.report.stored), strict=True)
        report = replace(
            self.report,
            stored=UpsertReport(*map(sum, both)),
            actions_through=later.report.actions_through,
            notes=self.report.notes + later.report.notes,
        )
        taken = "ingested" in {self.outcome, later.outcome}
        return replace(self, outcome="ingested" if taken else self.outcome, report=report)


class BatchListener(Protocol):
    """Whoever follows a round while it runs."""

    def begin(self, n_tickers: int) -> None:
        """Hear how many tickers there are."""
        ...

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Hear what became of one."""
        ...


class SilentListener:
    """Nobody follows: a run that no terminal waits for."""

    def begin(self, n_tickers: int) -> None:
        """Take no notice."""

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Take no notice."""


def ingest_all(
    ingest: Ingest,
    tickers: Sequence[str],
    *,
    force: bool,
    defer_actions: Callable[[], QuotaError | None],
) -> Iterator[TickerOutcome]:
    """Take in what is due of each ticker, the most overdue first; one that fails stops no other.

    A ticker whose bars and actions are due comes twice, the second time with both; so does a new
    one, whose actions are due as soon as it has bars. A key that is not accepted is told for every
    ticker left, and not tried again. Before splits and dividends are asked for, `defer_actions` may
    say that the calls left are needed for bars.
    """
    outcomes: dict[str, TickerOutcome] = {}
    refused: ProviderKeyError | None = None
    planned = ingest.plan(tickers, force=force)

    def after_histories() -> Iterator[IngestTask]:
        new = [task.ticker for task in planned if task.kind == "history"]
        yield from (task for task in ingest.plan(new, force=force) if task.kind == "actions")

    for task in chain(planned, after_histories()):
        before = outcomes.get(task.ticker)
        if before is not None and before.error is not None:
            continue
        held = defer_actions() if task.kind == "actions" else None
        if refused is not None and task.kind != "nothing":
            outcome = _failed(task, refused)
        elif held is not None:
            outcome = _deferred(task, held)
        else:
            outcome = _ingest_ticker(ingest, task, force=force)
        if isinstance(outcome.error, ProviderKeyError):
            refused = outcome.error
        outcomes[task.ticker] = outcome if before is None else before.merge(outcome)
        yield outcomes[task.ticker]


def raise_if_all_failed(outcomes: Sequence[TickerOutcome]) -> None:
    """Raise one error for all when there is no ticker that did not fail.

    Raises
    ------
    TransientError
        When trying again may help one of them.
    PermanentError
        When a person must act first.
    """
    if not outcomes or any(outcome.outcome != "failed" for outcome in outcomes):
        return
    message = summarize_failures(outcomes)
    if any(isinstance(outcome.error, TransientError) for outcome in outcomes):
        raise TransientError(message)
    raise PermanentError(message)


def summarize_failures(failed: Sequence[TickerOutcome]) -> str:
    """Return a line a cause, with the tickers that it met."""
    by_cause: dict[str, list[str]] = {}
    for outcome in failed:
        if outcome.failure is not None:
            by_cause.setdefault(_reason(outcome.failure), []).append(outcome.ticker)
    return "\n".join(f"{_named(tickers)}: {cause}" for cause, tickers in by_cause.items())


def summarize_outcomes(outcomes: Sequence[TickerOutcome]) -> str:
    """Return how many tickers met which outcome, as a sentence without its end."""
    counts = Counter(o.label for o in outcomes)
    told = ", ".join(f"{n:,} {word}" for word, n in counts.most_common())
    return f"{len(outcomes):,} ticker{'' if len(outcomes) == 1 else 's'}: {told}"


def _ingest_ticker(ingest: Ingest, task: IngestTask, *, force: bool) -> TickerOutcome:
    try:
        report = ingest.ingest_ticker(task.ticker, force=force)
    except QuotaError as error:
        return _deferred(task, error)
    except StockcastError as error:
        return _failed(task, error)
    return TickerOutcome(task.ticker, report.outcome, report.sessions_behind, report=report)


def _deferred(task: IngestTask, error: QuotaError) -> TickerOutcome:
    if task.kind == "actions" and task.sessions_behind == 0:
        return TickerOutcome(task.ticker, "up_to_date", 0, actions_error=error)
    return TickerOutcome(task.ticker, "deferred", task.sessions_behind, error=error)


def _failed(task: IngestTask, error: StockcastError) -> TickerOutcome:
    return TickerOutcome(task.ticker, "failed", task.sessions_behind, error=error)


MOST_NAMED = 8


def _named(tickers: Sequence[str]) -> str:
    left = len(tickers) - MOST_NAMED
    more = f" and {left:,} more" if left > 0 else ""
    return ", ".join(tickers[:MOST_NAMED]) + more


def _reason(error: StockcastError) -> str:
    if isinstance(error, QuotaError):
        return f"waits for a budget until {error.renews_at:%Y-%m-%d %H:%M} UTC"
    return " ".join(str(error).split())
