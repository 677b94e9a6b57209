"""Forecast horizons in sessions, and their labels in the HTTP API."""

from __future__ import annotations

from core.errors import ForecastError

HORIZONS: tuple[int, ...] = (1, 5, 21)
LABELS: dict[str, int] = {"1d": 1, "1w": 5, "1m": 21}
LABEL_OF: dict[int, str] = {sessions: label for label, sessions in LABELS.items()}


def parse_horizon(label: str) -> int:
    """Return the horizon in sessions for the label ``1d``, ``1w`` or ``1m``.

    Raises
    ------
    ForecastError
        When `label` is not one of these.
    """
    try:
        return LABELS[label]
    except KeyError:
        msg = f"`horizon` must be one of {', '.join(LABELS)}, got {label!r}."
        raise ForecastError(msg) from None
