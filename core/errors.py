"""All errors that Stockcast raises on purpose.

Add a class only if a caller handles the new failure differently.

::

    StockcastError
    ├── PermanentError             a retry fails again; a person must act
    │   ├── SettingsError          a setting is invalid
    │   ├── BarsError              bars are unreadable or violate the bar contract
    │   ├── TickerError            a text is not a valid ticker
    │   ├── UnknownTickerError     a provider, store or snapshot does not have the ticker
    │   ├── ProviderKeyError       a provider rejects the configured key
    │   ├── TierError              the tier of the key does not include the request
    │   ├── ReconciliationError    fetched bars contradict the stored bars
    │   ├── NotEnoughHistoryError  too few bars for a feature, a horizon or a fold
    │   ├── SnapshotError          the snapshot is missing or damaged
    │   ├── BundleError            a bundle is damaged or differs from its manifest
    │   ├── RegistryError          the registry has no such model, version or alias
    │   └── ForecastError          a model returned invalid numbers
    └── TransientError             a retry may succeed
        ├── ProviderDownError      a provider does not respond, or responds with a server error
        ├── QuotaError             a budget of calls is spent
        └── RegistryDownError      the registry does not respond
"""

from __future__ import annotations

from datetime import datetime


class StockcastError(Exception):
    """Base class of all errors that Stockcast raises on purpose."""


class PermanentError(StockcastError):
    """A retry fails again; a person must act."""


class SettingsError(PermanentError):
    """A setting is invalid; the message has the variable, its value and the allowed range."""


class BarsError(PermanentError):
    """Bars are unreadable or violate the bar contract; the message has file, column and row."""


class TickerError(PermanentError, ValueError):
    """A text is not a valid ticker; a `ValueError`, so that pydantic reports the field."""


class UnknownTickerError(PermanentError):
    """A provider, store or snapshot does not have the ticker.

    Parameters
    ----------
    ticker
        The ticker that was not found.
    source
        Name of the provider, store or snapshot, such as ``the sample provider``.
    similar
        Similar tickers that the source has.
    """

    def __init__(self, ticker: str, source: str, similar: tuple[str, ...] = ()) -> None:
        hint = f" Did you mean {', '.join(similar)}?" if similar else ""
        super().__init__(f"`ticker` {ticker!r} is not available from {source}.{hint}")
        self.ticker = ticker
        self.similar = similar


class ProviderKeyError(PermanentError):
    """A provider rejects the configured key; the message has the variable, never the key."""


class TierError(PermanentError):
    """The tier of the key does not include the request.

    Parameters
    ----------
    message
        The problem and the ways to solve it.
    reach
        Number of past sessions that the tier covers, if the request exceeds it.
    """

    def __init__(self, message: str, *, reach: int | None = None) -> None:
        super().__init__(message)
        self.reach = reach


class ReconciliationError(PermanentError):
    """Fetched bars contradict the stored bars; joining them would create a false return."""


class NotEnoughHistoryError(PermanentError):
    """Too few bars for a feature, a horizon or a fold."""


class SnapshotError(PermanentError):
    """The snapshot is missing or damaged; the message has the command that publishes one."""


class BundleError(PermanentError):
    """A bundle is damaged or differs from its manifest."""


class RegistryError(PermanentError):
    """The registry has no such model, version or alias."""


class ForecastError(PermanentError):
    """A model returned invalid numbers, such as NaN or a negative scale."""


class TransientError(StockcastError):
    """A retry may succeed."""


class ProviderDownError(TransientError):
    """A provider does not respond, or responds with a server error."""


class QuotaError(TransientError):
    """A budget of calls is spent, according to the quota ledger or to the provider.

    Parameters
    ----------
    message
        The budget and the number of calls.
    renews_at
        UTC time from which the next call is allowed.
    """

    def __init__(self, message: str, *, renews_at: datetime) -> None:
        super().__init__(message)
        self.renews_at = renews_at


class RegistryDownError(TransientError):
    """The registry does not respond."""
