"""A chain of providers: each request goes to the first provider that is up and delivers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

import polars as pl

from core.errors import (
    BarsError,
    PermanentError,
    ProviderDownError,
    ProviderKeyError,
    SettingsError,
    StockcastError,
    UnknownTickerError,
)
from market.providers.failover.circuit_breaker import BreakerState, CircuitBreakers
from market.providers.failover.errors import ProviderFailure, combine_failures
from market.providers.protocol import ActionsProvider, Provider, Quote, QuoteProvider, SessionRange

# What only a provider that is up can say; other failures may come from our own side.
_ANSWERS = (BarsError, ProviderKeyError, UnknownTickerError)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class AcceptedBars:
    """Bars that were accepted, and how they came.

    Attributes
    ----------
    provider
        Who delivered them.
    notes
        A sentence for each provider that was passed over: who and why.
    """

    bars: pl.DataFrame
    provider: str
    notes: tuple[str, ...] = ()


class ProviderChain:
    """A provider and its backups; who is asked is decided anew at each request.

    A provider that was down several times in a row is left alone for a while. Any answer of it
    proves that it is up, one that says no as well.

    Parameters
    ----------
    providers
        At least one; each is asked when those before it did not deliver.
    health
        What all processes know of who is up.
    """

    def __init__(self, providers: Sequence[Provider], health: CircuitBreakers) -> None:
        if not providers:
            msg = "`providers` must hold at least one provider, got none; name one to ask."
            raise SettingsError(msg)
        self._providers = tuple(providers)
        self._health = health

    @property
    def name(self) -> str:
        """Name of the first provider; `source` of the bars tells who delivered them."""
        return self._providers[0].name

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars of the first provider come without splits and dividends."""
        first = self._providers[0]
        return isinstance(first, ActionsProvider) and first.has_separate_actions

    def tickers(self) -> tuple[str, ...]:
        """Return the tickers of the first provider that can list its own."""
        lists = (provider.tickers() for provider in self._providers)
        return next((tickers for tickers in lists if tickers), ())

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Return bars of the first provider that delivers; see `Provider.fetch`.

        Raises
        ------
        StockcastError
            As `fetch_accepted` does.
        """
        return self.fetch_accepted(ticker, session_range, _take_all).bars

    def fetch_accepted(
        self,
        ticker: str,
        session_range: SessionRange | None,
        accept: Callable[[pl.DataFrame], None],
    ) -> AcceptedBars:
        """Return the first provider's bars that `accept` takes.

        Parameters
        ----------
        accept
            Raises a `StockcastError`, such as `ReconciliationError`, for bars that will not do; the
            next provider is asked then.

        Raises
        ------
        StockcastError
            When no provider delivered: one error with the reasons of all, see `combine_failures`.
        """
        questions = [(p.name, partial(p.fetch, ticker, session_range)) for p in self._providers]
        return AcceptedBars(*self._first_answer(ticker, questions, accept))

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Return splits and dividends from the first provider that tells them.

        See `ActionsProvider.fetch_actions`.

        Raises
        ------
        PermanentError
            When no provider of the chain can tell them.
        StockcastError
            When none of those that can did: one error with the reasons of all.
        """
        questions = [
            (p.name, partial(p.fetch_actions, ticker))
            for p in self._providers
            if isinstance(p, ActionsProvider)
        ]
        return self._first_answer(f"splits and dividends of {ticker}", questions, _take_all)[0]

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Return the present price from the first provider that tells it; see `QuoteProvider`.

        Parameters
        ----------
        reserved_calls
            Calls of the day to leave for other purposes, where there is a limit a day.

        Raises
        ------
        PermanentError
            When no provider of the chain can tell it.
        StockcastError
            When none of those that can did: one error with the reasons of all.
        """
        questions = [
            (p.name, partial(p.fetch_quote, ticker, reserved_calls))
            for p in self._providers
            if isinstance(p, QuoteProvider)
        ]
        return self._first_answer(f"a quote of {ticker}", questions, _take_all)[0]

    def breaker_states(self) -> list[BreakerState]:
        """Return how each provider is that was ever asked, in the order of the chain."""
        states = {state.name: state for state in self._health.read_states()}
        return [states[p.name] for p in self._providers if p.name in states]

    def _first_answer(
        self,
        about: str,
        questions: Sequence[tuple[str, Callable[[], _Answer]]],
        accept: Callable[[_Answer], None],
    ) -> tuple[_Answer, str, tuple[str, ...]]:
        """Return the first answer, who gave it, and why those before did not."""
        if not questions:
            asked = ", ".join(provider.name for provider in self._providers)
            msg = (
                f"No provider among {asked} can tell {about}; name alpha_vantage or yahoo in "
                f"STOCKCAST_PROVIDER or STOCKCAST_BACKUPS."
            )
            raise PermanentError(msg)
        failures: list[ProviderFailure] = []
        for name, question in questions:
            try:
                answer = self._answer_of(name, question)
                accept(answer)
            except StockcastError as error:
                failures.append(ProviderFailure(name, error))
            else:
                return answer, name, tuple(failure.sentence for failure in failures)
        raise combine_failures(about, failures) from failures[0].error

    def _answer_of(self, name: str, question: Callable[[], _Answer]) -> _Answer:
        """Ask one provider, if it may be, and keep in mind whether it was up."""
        if not self._health.allows_request(name):
            raise ProviderDownError(self._why_left_alone(name))
        try:
            answer = question()
        except ProviderDownError as error:
            self._health.record_failure(name, str(error))
            raise
        except _ANSWERS:
            self._health.record_success(name)
            raise
        self._health.record_success(name)
        return answer

    def _why_left_alone(self, name: str) -> str:
        state = next(state for state in self._health.read_states() if state.name == name)
        down = f"it has been down since {_written(state.since)}"
        if state.state == "half_open":
            return f"not asked: {down}, and another request is just trying it."
        return f"not asked before {_written(state.retry_at)}: {down}. {state.reason}"


def _take_all(_: object) -> None:
    """Accept whatever came."""


def _written(instant: datetime | None) -> str:
    return "the next try" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"
