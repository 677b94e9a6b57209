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
from market.providers.catalog import remote_providers
from market.providers.failover.circuit_breaker import BreakerState, CircuitBreakers
from market.providers.failover.errors import ProviderFailure, combine_failures
from market.providers.protocol import (
    ActionsProvider,
    LocalProvider,
    NotesProvider,
    Provider,
    Quote,
    QuoteProvider,
    SessionRange,
)

# Errors that only a provider that is up can cause. Others may be raised before a request is sent.
_RESPONSE_ERRORS = (BarsError, ProviderKeyError, UnknownTickerError)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class AcceptedBars:
    """Bars that the caller accepted.

    Attributes
    ----------
    provider
        Name of the provider that delivered them.
    notes
        For each provider tried before: its name and the reason of its failure.
    """

    bars: pl.DataFrame
    provider: str
    notes: tuple[str, ...] = ()


class ProviderChain:
    """A provider and its backups.

    Each request starts with the first provider again. A provider with an open circuit breaker is
    skipped. Every response closes the breaker, including one that reports an error.

    Parameters
    ----------
    providers
        At least one. Each is tried when all providers before it have failed.
    breakers
        Circuit breakers that all processes share.

    Raises
    ------
    SettingsError
        If `providers` is empty.
    """

    def __init__(self, providers: Sequence[Provider], breakers: CircuitBreakers) -> None:
        if not providers:
            msg = "`providers` must hold at least one provider, got none; set STOCKCAST_PROVIDER."
            raise SettingsError(msg)
        self._providers = tuple(providers)
        self._breakers = breakers

    @property
    def name(self) -> str:
        """Name of the first provider. The `source` of bars is the provider that delivered them."""
        return self._providers[0].name

    @property
    def local_providers(self) -> tuple[LocalProvider, ...]:
        """The providers of local data, in the order of the chain."""
        return tuple(p for p in self._providers if isinstance(p, LocalProvider))

    def local_version(self) -> str | None:
        """Return a text that changes when any local data changes; None without local providers.

        Raises
        ------
        BarsError
            If a local provider has no data.
        """
        return "\n".join(provider.source_version() for provider in self.local_providers) or None

    @property
    def has_separate_actions(self) -> bool:
        """Whether bars of the first provider lack splits and dividends."""
        first = self._providers[0]
        return isinstance(first, ActionsProvider) and first.has_separate_actions

    def tickers(self) -> tuple[str, ...]:
        """Return the tickers of the first provider that can list its tickers."""
        lists = (provider.tickers() for provider in self._providers)
        return next((tickers for tickers in lists if tickers), ())

    def notes(self) -> tuple[str, ...]:
        """Return the notes of all providers that have any."""
        with_notes = [p for p in self._providers if isinstance(p, NotesProvider)]
        return tuple(note for provider in with_notes for note in provider.notes())

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Fetch bars from the first provider that delivers; see `Provider.fetch`.

        Raises
        ------
        StockcastError
            See `fetch_accepted`.
        """
        return self.fetch_accepted(ticker, session_range, _accept_all).bars

    def fetch_accepted(
        self,
        ticker: str,
        session_range: SessionRange | None,
        accept: Callable[[pl.DataFrame], None],
    ) -> AcceptedBars:
        """Fetch bars from the first provider with bars that the caller accepts.

        Parameters
        ----------
        ticker, session_range
            See `Provider.fetch`.
        accept
            Raises a `StockcastError`, such as `ReconciliationError`, to reject the bars. The next
            provider is tried then.

        Raises
        ------
        StockcastError
            If no provider delivered accepted bars: one error with the reasons of all providers;
            see `market.providers.failover.errors.combine_failures`.
        """
        requests = [(p.name, partial(p.fetch, ticker, session_range)) for p in self._providers]
        return AcceptedBars(*self._first_result(ticker, requests, accept))

    def fetch_actions(self, ticker: str) -> pl.DataFrame:
        """Fetch splits and dividends from the first provider that delivers.

        See `ActionsProvider.fetch_actions`.

        Raises
        ------
        PermanentError
            If no provider of the chain serves splits and dividends.
        StockcastError
            If every provider that serves them failed: one error with all reasons.
        """
        requests = [
            (p.name, partial(p.fetch_actions, ticker))
            for p in self._providers
            if isinstance(p, ActionsProvider)
        ]
        return self._first_result(f"splits and dividends of {ticker}", requests, _accept_all)[0]

    def fetch_quote(self, ticker: str, reserved_calls: int = 0) -> Quote:
        """Fetch the current price from the first provider that delivers.

        See `QuoteProvider.fetch_quote`.

        Raises
        ------
        PermanentError
            If no provider of the chain serves quotes.
        StockcastError
            If every provider that serves them failed: one error with all reasons.
        """
        requests = [
            (p.name, partial(p.fetch_quote, ticker, reserved_calls))
            for p in self._providers
            if isinstance(p, QuoteProvider)
        ]
        return self._first_result(f"a quote of {ticker}", requests, _accept_all)[0]

    def breaker_states(self) -> list[BreakerState]:
        """Return the states of the providers that were requested before, in the chain's order."""
        states = {state.name: state for state in self._breakers.read_states()}
        return [states[p.name] for p in self._providers if p.name in states]

    def _first_result(
        self,
        subject: str,
        requests: Sequence[tuple[str, Callable[[], _Result]]],
        accept: Callable[[_Result], None],
    ) -> tuple[_Result, str, tuple[str, ...]]:
        """Return the first result, its provider, and the failures of the providers before it."""
        if not requests:
            names = ", ".join(provider.name for provider in self._providers)
            msg = (
                f"No provider among {names} serves {subject}; add "
                f"{' or '.join(remote_providers())} to STOCKCAST_PROVIDER or STOCKCAST_BACKUPS."
            )
            raise PermanentError(msg)
        failures: list[ProviderFailure] = []
        for name, request in requests:
            try:
                result = self._request(name, request)
                accept(result)
            except StockcastError as error:
                failures.append(ProviderFailure(name, error))
            else:
                return result, name, tuple(failure.message for failure in failures)
        raise combine_failures(subject, failures) from failures[0].error

    def _request(self, name: str, request: Callable[[], _Result]) -> _Result:
        """Send a request if the circuit breaker allows it, and record the result."""
        if not self._breakers.allows_request(name):
            raise ProviderDownError(self._skip_reason(name))
        try:
            result = request()
        except ProviderDownError as error:
            self._breakers.record_failure(name, str(error))
            raise
        except _RESPONSE_ERRORS:
            self._breakers.record_success(name)
            raise
        self._breakers.record_success(name)
        return result

    def _skip_reason(self, name: str) -> str:
        state = next(state for state in self._breakers.read_states() if state.name == name)
        down = f"down since {_in_utc(state.since)}"
        if state.state == "half_open":
            return f"skipped: {down}, and a trial request is in progress."
        return f"skipped until {_in_utc(state.retry_at)}: {down}. {state.reason}"


def _accept_all(_: object) -> None:
    """Accept every result."""


def _in_utc(instant: datetime | None) -> str:
    return "the next retry" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"
