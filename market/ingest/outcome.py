"""The outcomes of the tickers in one batch, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from core.errors import PermanentError, QuotaError, StockcastError, TransientError
from market.ingest.report import IngestReport

MAX_LISTED = 8

OutcomeKind = Literal["ingested", "nothing_new", "up_to_date", "deferred", "failed"]


@dataclass(frozen=True)
class TickerOutcome:
    """The outcome of one ticker in a batch: a report, or an error instead.

    Attributes
    ----------
    sessions_behind
        Number of closed sessions after the last stored one, None if no bar is stored.
    report
        None if the task failed or was deferred.
    error
        The error of the bars.
    actions_error
        The error of splits and dividends after the bars were ingested.
    """

    ticker: str
    outcome: OutcomeKind
    sessions_behind: int | None
    report: IngestReport | None = None
    error: StockcastError | None = None
    actions_error: StockcastError | None = None

    @property
    def failure(self) -> StockcastError | None:
        """The error, except for a spent budget, which is not a failure."""
        error = self.error or self.actions_error
        return None if isinstance(error, QuotaError) else error

    @property
    def label(self) -> str:
        """The outcome as a label, such as ``nothing new``."""
        return self.outcome.replace("_", " ")

    @property
    def notes(self) -> str:
        """The reasons of the outcome in one line; empty without any."""
        if self.error is not None:
            return _reason(self.error)
        notes = [] if self.report is None else list(self.report.notes)
        if self.report is not None:
            refusal = [] if self.report.refusal is None else [self.report.refusal]
            notes = [*refusal, *self.report.set_aside, *notes]
        if self.actions_error is not None:
            notes.append(f"splits and dividends: {_reason(self.actions_error)}")
        return " ".join("; ".join(note.removeprefix(f"{self.ticker}: ") for note in notes).split())

    @property
    def new_bars(self) -> str:
        """The number of new bars by provider; empty without any."""
        if self.report is None:
            return ""
        by_source = [f"{n:,} from {name}" for name, n in self.report.sources.items() if n]
        inserted = self.report.stored.inserted
        return ", ".join(by_source) or (f"{inserted:,} new" if inserted else "")

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        details = "; ".join(part for part in (self._stored, self.notes) if part)
        return f"{self.label}: {details}" if details else self.label

    @property
    def _stored(self) -> str:
        """What was stored, in words."""
        if self.report is None or self.outcome != "ingested":
            return ""
        if self.new_bars:
            return f"{self.new_bars} to {self.report.last_session}"
        stored, through = self.report.stored, self.report.actions_through
        if stored.removed or (stored.updated and self.report.restated):
            return ""  # the notes list corrected and removed sessions
        return f"splits and dividends to {through}" if through else ""

    def merge(self, actions: Self) -> Self:
        """Merge the outcome of the bars with that of the splits and dividends."""
        if self.report is None:
            return actions
        if actions.report is None:
            return replace(self, actions_error=actions.actions_error or actions.error)
        report = self.report.merge(actions.report)
        is_ingested = "ingested" in {self.outcome, actions.outcome}
        return replace(self, outcome="ingested" if is_ingested else self.outcome, report=report)


def raise_if_all_failed(outcomes: Sequence[TickerOutcome]) -> None:
    """Raise one error if every ticker failed.

    Raises
    ------
    TransientError
        If a retry may help at least one ticker.
    PermanentError
        If no retry can help.
    """
    if not outcomes or any(outcome.outcome != "failed" for outcome in outcomes):
        return
    message = summarize_failures(outcomes)
    if any(isinstance(outcome.error, TransientError) for outcome in outcomes):
        raise TransientError(message)
    raise PermanentError(message)


def summarize_failures(failed: Sequence[TickerOutcome]) -> str:
    """Return one line per error, with its tickers."""
    by_error: dict[str, list[str]] = {}
    for outcome in failed:
        if outcome.failure is not None:
            by_error.setdefault(_reason(outcome.failure), []).append(outcome.ticker)
    return "\n".join(f"{_list_tickers(tickers)}: {error}" for error, tickers in by_error.items())


def summarize_outcomes(outcomes: Sequence[TickerOutcome]) -> str:
    """Return the number of tickers by outcome, such as ``2 tickers: 1 ingested, 1 failed``."""
    counts = Counter(o.label for o in outcomes)
    labels = ", ".join(f"{n:,} {label}" for label, n in counts.most_common())
    return f"{len(outcomes):,} ticker{'' if len(outcomes) == 1 else 's'}: {labels}"


def _list_tickers(tickers: Sequence[str]) -> str:
    n_more = len(tickers) - MAX_LISTED
    more = f" and {n_more:,} more" if n_more > 0 else ""
    return ", ".join(tickers[:MAX_LISTED]) + more


def _reason(error: StockcastError) -> str:
    if isinstance(error, QuotaError):
        return f"waits for the budget to renew at {error.renews_at:%Y-%m-%d %H:%M} UTC"
    return " ".join(str(error).split())
