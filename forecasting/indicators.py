"""Indicators of the ``ta`` package, switched on by name."""

from __future__ import annotations

from forecasting.feature_spec import Feature
from market.errors import SettingsError


def named_indicator(name: str) -> Feature:
    """Return the feature that ``ta`` computes under `name`, such as ``trend.aroon_up``."""
    msg = f"`extra_indicators`: {name!r} is not an indicator of `ta`."
    raise SettingsError(msg)
