"""Tickers and horizons, as parameters of a path or query and as fields of a body."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from core.tickers import check_ticker
from forecasting.horizons import LABELS

HorizonLabel = Literal["1d", "1w", "1m"]
DEFAULT_HORIZON: HorizonLabel = "1d"
Inclusion = Literal["members", "explanation"]

# Former and common names of parameters, in queries and bodies.
SYNONYMS = {"symbol": "ticker", "symbols": "tickers", "timeframe": "horizon"}

TICKER_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\^?[A-Za-z0-9][A-Za-z0-9.&=_-]{0,23}$",
    "examples": ["AAPL"],
}
HORIZON_SCHEMA: dict[str, Any] = {
    "type": "string",
    "enum": list(LABELS),
    "default": DEFAULT_HORIZON,
    "examples": ["1w"],
}

Ticker = Annotated[str, AfterValidator(check_ticker), WithJsonSchema(TICKER_SCHEMA)]
