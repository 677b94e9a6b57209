"""The things that assets work with, made from the settings in one place. No asset logic here."""

from typing import Any

from market.providers.factory import make_provider
from market.quarantine import Quarantine
from market.settings import Settings
from market.store import BarStore
from pipelines.stages import StageStore
from registry.versions import ModelRegistry


def build_resources(settings: Settings) -> dict[str, Any]:
    """Return the resources by the name under which assets ask for them."""
    stages = StageStore(settings.home / "stages")
    return {
        "settings": settings,
        "provider": make_provider(settings),
        "bar_store": BarStore(settings.home / "bars"),
        "quarantine": Quarantine(settings.home / "quarantine"),
        "stages": stages,
        "io_manager": stages,
        "registry": ModelRegistry.from_settings(settings),
    }
