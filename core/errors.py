"""Every error Stockcast raises on purpose.

A new failure gets a class here only if a caller would treat it differently.

::

    StockcastError
    ├── PermanentError             trying again changes nothing: a person must act
    │   ├── SettingsError          a setting is wrong
    │   ├── BarsError              bars cannot be read, or break the bar contract
    │   ├── TickerError            a text is not written like a ticker
    │   ├── UnknownTickerError     no provider or snapshot knows the ticker
    │   ├── ProviderKeyError       a provider does not accept our key
    │   ├── TierError              our key's tier does not have what was asked for
    │   ├── ReconciliationError       new bars do not fit those that are stored
    │   ├── NotEnoughHistoryError  too few bars for a feature, a horizon or a fold
    │   ├── SnapshotError          feature windows are not published, or damaged
    │   ├── BundleError            a bundle is damaged, or not what its manifest says
    │   ├── RegistryError          the registry has no such model, version or alias
    │   └── ForecastError          a model returned something that is not a forecast
    └── TransientError             the same call may succeed later
        ├── ProviderDownError      a provider did not answer, or answered with its own failure
        ├── QuotaError             a budget of calls is spent, by our ledger or the provider's word
        └── RegistryDownError      the registry did not answer
"""

from __future__ import annotations

from datetime import datetime


class StockcastError(Exception):
    """Base of all errors that Stockcast raises on purpose."""


class PermanentError(StockcastError):
    """Trying again changes nothing: a person must act."""


class SettingsError(PermanentError):
    """A setting is wrong; the message names the variable, its value and what is allowed."""


class BarsError(PermanentError):
    """Bars cannot be read, or break the bar contract; the message names file, column and row."""


class TickerError(PermanentError, ValueError):
    """A text is not written like a ticker; a `ValueError` so that pydantic reports the field."""


class UnknownTickerError(PermanentError):
    """No provider or snapshot knows the ticker; `near` holds names that look alike."""

    def __init__(self, ticker: str, known: str, near: tuple[str, ...] = ()) -> None:
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"`ticker` {ticker!r} is not known to {known}.{hint}")
        self.ticker = ticker
        self.near = near


class ProviderKeyError(PermanentError):
    """A provider does not accept our key; the message names the setting, never the key."""


class TierError(PermanentError):
    """Our key's tier does not have what was asked for; the message is advice.

    `reach` is how many sessions back a request of this tier can go, where that is the limit.
    """

    def __init__(self, message: str, *, reach: int | None = None) -> None:
        super().__init__(message)
        self.reach = reach


class ReconciliationError(PermanentError):
    """New bars do not fit those that are stored, so joining them would invent a return."""


class NotEnoughHistoryError(PermanentError):
    """Too few bars for a feature, a horizon or a fold."""


class SnapshotError(PermanentError):
    """No feature windows are published, or they are damaged; the message says how to publish."""


class BundleError(PermanentError):
    """A bundle is damaged, or not what its manifest says."""


class RegistryError(PermanentError):
    """The registry has no such model, version or alias."""


class ForecastError(PermanentError):
    """A model returned something that is not a forecast, such as NaN or a negative scale."""


class TransientError(StockcastError):
    """The same call may succeed later."""


class ProviderDownError(TransientError):
    """A provider did not answer, or answered with its own failure."""


class QuotaError(TransientError):
    """A budget of calls is spent; `renews_at` (UTC) is when the next call may be made."""

    def __init__(self, message: str, *, renews_at: datetime) -> None:
        super().__init__(message)
        self.renews_at = renews_at


class RegistryDownError(TransientError):
    """The registry did not answer."""
