"""The registered providers.

To add a provider, write its package with a `spec` module and add one line to `SPECS`. Settings of
its own go to `market.settings`. This module stays light because the settings import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from market.providers.alpha_vantage import spec as alpha_vantage
from market.providers.files import spec as files
from market.providers.sample import spec as sample
from market.providers.yahoo import spec as yahoo

if TYPE_CHECKING:
    from market.providers.spec import ProviderSpec
    from market.settings import MarketSettings

SPECS: dict[str, ProviderSpec] = {
    spec.name: spec
    for spec in (
        sample.SPEC,
        files.SPEC,
        alpha_vantage.SPEC,
        yahoo.SPEC,
    )
}


def provider_spec(name: str) -> ProviderSpec:
    """Return the spec of a registered provider.

    Raises
    ------
    SettingsError
        When no provider has this name.
    """
    if name not in SPECS:
        msg = f"`provider` must be one of {', '.join(SPECS)}, got {name!r}."
        raise SettingsError(msg)
    return SPECS[name]


def selected_specs(settings: MarketSettings) -> list[ProviderSpec]:
    """Return the specs of the first provider and of its backups, in the order of the settings."""
    return [provider_spec(name) for name in settings.providers]


def remote_providers() -> list[str]:
    """Return the names of the registered providers that send requests over the network."""
    return [spec.name for spec in SPECS.values() if spec.is_remote]


def local_providers() -> list[str]:
    """Return the names of the registered providers that read local data, whole each time."""
    return [spec.name for spec in SPECS.values() if not spec.is_remote]


def quote_providers() -> list[str]:
    """Return the names of the registered providers that serve quotes."""
    return [spec.name for spec in SPECS.values() if spec.serves_quotes]
