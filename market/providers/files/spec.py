"""Registration of the `files` provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from market.providers.spec import ProviderSpec

if TYPE_CHECKING:
    from core.clock import Clock
    from market.providers.files.provider import FilesProvider
    from market.quota.ledger import QuotaLedger
    from market.settings import MarketSettings

_MISSING = "STOCKCAST_BARS must name a folder or glob for the provider 'files'"
_UNUSED = (
    "STOCKCAST_BARS names files, but 'files' is neither STOCKCAST_PROVIDER nor in "
    "STOCKCAST_BACKUPS: add it to one of them, or unset STOCKCAST_BARS"
)


def _make(settings: MarketSettings, ledger: QuotaLedger, clock: Clock | None) -> FilesProvider:  # noqa: ARG001
    from market.calendars.exchanges import SessionsByTicker  # noqa: PLC0415  # keeps the spec light
    from market.providers.files.provider import FilesProvider  # noqa: PLC0415

    if settings.bars is None:
        raise SettingsError(_MISSING)
    pairs = (pair.split("=", 1) for pair in settings.columns)
    columns = {column.strip(): name.strip() for column, name in pairs}
    return FilesProvider(settings.bars, SessionsByTicker.of_home(settings), columns)


def _settings_problem(settings: MarketSettings) -> str | None:
    if "files" in settings.providers:
        return None if settings.bars else _MISSING
    return _UNUSED if settings.bars else None


SPEC = ProviderSpec(
    name="files",
    make=_make,
    settings_problem=_settings_problem,
    lists_tickers=True,
    is_remote=False,
)
