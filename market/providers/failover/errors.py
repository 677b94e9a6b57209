"""Several providers' failures -> the one error that tells a caller what to do.

Who is asked, and when, is `failover`.
"""

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
    """Why a provider did not deliver."""

    provider: str
    error: StockcastError

    @property
    def sentence(self) -> str:
        """Who and why, for notes and errors."""
        return f"{self.provider}: {self.error}"


def combine_failures(about: str, failures: Sequence[ProviderFailure]) -> StockcastError:
    """Return the error of a request that no provider fulfilled, with the reasons of all.

    Parameters
    ----------
    about
        What was asked for: a ticker.
    failures
        At least one, that of the first provider first. A single one stays as it is.

    Returns
    -------
    StockcastError
        - `QuotaError` with the earliest renewal, when the first provider's budget is spent;
        - `UnknownTickerError`, when not one of them knows the ticker;
        - `TierError`, when the first provider's tier does not have it: a smaller request helps;
        - `ProviderDownError` or `QuotaError`, when time may help with any other;
        - else the first permanent error that says more than that a ticker is not known.
    """
    if len(failures) == 1:
        return failures[0].error
    errors = [failure.error for failure in failures]
    message = f"No provider delivered {about}. {' '.join(r.sentence for r in failures)}"
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
    return _permanent(about, message, failures)


def _permanent(about: str, message: str, failures: Sequence[ProviderFailure]) -> StockcastError:
    for failure in failures:
        match failure.error:
            case UnknownTickerError():
                continue
            case TierError(reach=reach):
                return TierError(message, reach=reach)
            case other:
                return type(other)(message)
    known_to = f"the providers {' and '.join(failure.provider for failure in failures)}"
    near = dict.fromkeys(
        name
        for failure in failures
        if isinstance(failure.error, UnknownTickerError)
        for name in failure.error.near
    )
    return UnknownTickerError(about, known_to, tuple(near))
