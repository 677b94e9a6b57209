"""Precomputed HTTP responses, which `serving.asgi.fast_path` sends without further work."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from forecasting.horizons import LABEL_OF, LABELS
from serving.forecasts.forecast_table import ForecastTable
from serving.http.schemas.parameters import DEFAULT_HORIZON

# A larger universe would delay the swap, so its responses are built at the first request.
MAX_EAGER_TICKERS = 1_000

Message = dict[str, Any]
_EMPTY_BODY: Message = {"type": "http.response.body", "body": b""}
# A forecast may change at any moment. A cache must ask, and the answer is usually 304.
_CACHE_CONTROL = (b"cache-control", b"no-cache")
# Decoded path and raw query string of a GET request.
RequestKey = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class PrecomputedResponse:
    """A complete HTTP response, and the one for a caller that has its content already."""

    start: Message
    body: Message
    not_modified: Message
    etag: bytes
    horizon: str

    @property
    def content(self) -> bytes:
        """Response body as JSON."""
        content: bytes = self.body["body"]
        return content

    def messages(self, if_none_match: bytes | None) -> tuple[Message, Message]:
        """Return the two ASGI messages for a request with this value of `If-None-Match`."""
        if if_none_match is None or not (self.etag in if_none_match or if_none_match == b"*"):
            return self.start, self.body
        return self.not_modified, _EMPTY_BODY


def build_response(table: ForecastTable, ticker: str, horizon: int) -> PrecomputedResponse:
    """Return the response for one ticker and horizon; raise as `ForecastTable.forecast` does."""
    content = table.forecast(ticker, horizon).model_dump_json().encode()
    etag = b'"%b"' % blake2b(content, digest_size=8).hexdigest().encode()
    validators = [(b"etag", etag), _CACHE_CONTROL]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *validators,
    ]
    return PrecomputedResponse(
        start={"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers},
        body={"type": "http.response.body", "body": content},
        not_modified={
            "type": "http.response.start",
            "status": HTTPStatus.NOT_MODIFIED,
            "headers": validators,
        },
        etag=etag,
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
