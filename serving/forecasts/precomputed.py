"""Precomputed HTTP responses, which `serving.asgi.fast_path` sends without further work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forecasting.horizons import LABEL_OF, LABELS
from serving.forecasts.forecast_table import ForecastTable
from serving.http.schemas.parameters import DEFAULT_HORIZON

# A larger universe would delay the swap, so its responses are built at the first request.
MAX_EAGER_TICKERS = 1_000

Message = dict[str, Any]
# Decoded path and raw query string of a GET request.
RequestKey = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class PrecomputedResponse:
    """A complete HTTP response as its two ASGI messages."""

    start: Message
    body: Message
    horizon: str

    @property
    def content(self) -> bytes:
        """Response body as JSON."""
        content: bytes = self.body["body"]
        return content


def build_response(table: ForecastTable, ticker: str, horizon: int) -> PrecomputedResponse:
    """Return the response for one ticker and horizon; raise as `ForecastTable.forecast` does."""
    content = table.forecast(ticker, horizon).model_dump_json().encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    return PrecomputedResponse(
        start={"type": "http.response.start", "status": 200, "headers": headers},
        body={"type": "http.response.body", "body": content},
        horizon=LABEL_OF[horizon],
    )


def precompute_responses(table: ForecastTable) -> dict[RequestKey, PrecomputedResponse]:
    """Return all responses of a table, or none if it exceeds `MAX_EAGER_TICKERS`."""
    if len(table.rows) > MAX_EAGER_TICKERS:
        return {}
    return {
        key: response
        for ticker in table.rows
        for horizon in LABELS.values()
        for response in [build_response(table, ticker, horizon)]
        for key in request_keys(ticker, horizon)
    }


def request_keys(ticker: str, horizon: int) -> list[RequestKey]:
    """Return the keys of all requests for this forecast. The default horizon may be omitted."""
    label = LABEL_OF[horizon]
    queries = [f"horizon={label}".encode()] + ([b""] if label == DEFAULT_HORIZON else [])
    return [(f"/predict/{ticker}", query) for query in queries]
