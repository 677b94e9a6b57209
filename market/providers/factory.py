"""Which provider the settings ask for. A new provider is named here and in `Settings.provider`."""

from __future__ import annotations

from typing import assert_never

from market.errors import SettingsError
from market.providers.base import Provider
from market.providers.files import FilesProvider
from market.providers.sample import SampleProvider
from market.sessions import Sessions
from market.settings import Settings


def make_provider(settings: Settings) -> Provider:
    """Return the provider that `settings` choose; nothing is read before it is asked.

    Raises
    ------
    SettingsError
        When the exchange is not known, or `bars` is missing for the files provider.
    """
    match settings.provider:
        case "sample":
            return SampleProvider()
        case "files":
            if settings.bars is None:
                msg = "`bars` must name a folder or glob when `provider` is 'files', got None."
                raise SettingsError(msg)
            return FilesProvider(settings.bars, Sessions(settings.exchange))
        case "alpha_vantage" | "yahoo":
            raise NotImplementedError
        case other:
            assert_never(other)
