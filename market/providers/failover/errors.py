"""Combination of the failures of several providers into one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import (
    ProviderDownError,
    QuotaError,
    StockcastError,
    TierError,
    UnknownTickerError,
)


@dataclass(frozen=True)
class ProviderFailure:
    """A failed request to one provider."""

    provider: str
    error: StockcastError

    @property
    def message(self) -> str:
        """Provider and reason, for notes and errors."""
        return f"{self.provider}: {self.error}"


def combine_failures(subject: str, failures: Sequence[ProviderFailure]) -> StockcastError:
    """Return one error for a request that failed with every provider.

    Parameters
    ----------
    subject
        Requested object, such as a ticker, for the message.
    failures
        At least one, in the order of the providers. The error of a single failure is returned
        unchanged.

    Returns
    -------
    StockcastError
        An error with all reasons in its message. Its class is the first that applies:

        - `QuotaError` with the earliest renewal, if the budget of the first provider is spent;
        - `TierError`, if the tier of the first provider is too low: a smaller range can succeed;
        - `ProviderDownError` or `QuotaError`, if a later retry can succeed with any provider;
        - the class of the first permanent error other than `UnknownTickerError`;
        - `UnknownTickerError`, if no provider has the ticker.
    """
    if len(failures) == 1:
        return failures[0].error
    errors = [failure.error for failure in failures]
    message = f"No provider delivered {subject}. {' '.join(f.message for f in failures)}"
    renewals = [error.renews_at for error in errors if isinstance(error, QuotaError)]
    match errors[0]:
        case QuotaError():
            return QuotaError(message, renews_at=min(renewals))
        case TierError(reach=reach):
            return TierError(message, reach=reach)
    if any(isinstance(error, ProviderDownError) for error in errors):
        return ProviderDownError(message)
    if renewals:
        return QuotaError(message, renews_at=min(renewals))
    return _permanent(subject, message, failures)


def _permanent(subject: str, message: str, failures: Sequence[ProviderFailure]) -> StockcastError:
    for failure in failures:
        match failure.error:
            case UnknownTickerError():
                continue
            case TierError(reach=reach):
                return TierError(message, reach=reach)
            case other:
                return type(other)(message)
    source = f"the providers {' and '.join(failure.provider for failure in failures)}"
    similar = dict.fromkeys(
        ticker
        for failure in failures
        if isinstance(failure.error, UnknownTickerError)
        for ticker in failure.error.similar
    )
    return UnknownTickerError(subject, source, tuple(similar))
