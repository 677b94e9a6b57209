"""Precomputed HTTP responses, which `serving.asgi.fast_path` sends without further work."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from forecasting.horizons import LABEL_OF, LABELS
from serving.forecasts.forecast_table import ForecastTable
from serving.http.schemas.parameters import DEFAULT_HORIZON

Header = tuple[bytes, bytes]
# Decoded path and raw query string of a GET request.
RequestKey = tuple[str, bytes]

_CONTENT_TYPE = (b"content-type", b"application/json")
# A forecast may change at any moment. A cache must ask, and the response is usually 304.
_CACHE_CONTROL = (b"cache-control", b"no-cache")


@dataclass(frozen=True, slots=True)
class PrecomputedResponse:
    """Content and validator of a response. There are thousands, so headers are added when sent."""

    content: bytes
    etag: bytes
    horizon: str

    def is_known(self, if_none_match: bytes | None) -> bool:
        """Return whether a caller with this value of `If-None-Match` has the content already."""
        return if_none_match is not None and (self.etag in if_none_match or if_none_match == b"*")

    @property
    def headers(self) -> list[Header]:
        """Headers of a response with the content."""
        length = (b"content-length", b"%d" % len(self.content))
        return [_CONTENT_TYPE, length, (b"etag", self.etag), _CACHE_CONTROL]

    @property
    def not_modified_headers(self) -> list[Header]:
        """Headers of a response with status 304."""
        return [(b"etag", self.etag), _CACHE_CONTROL]


def build_response(table: ForecastTable, ticker: str, horizon: int) -> PrecomputedResponse:
    """Return the response for one ticker and horizon; raise as `ForecastTable.forecast` does."""
    content = table.forecast(ticker, horizon).model_dump_json().encode()
    etag = b'"%b"' % blake2b(content, digest_size=8).hexdigest().encode()
    return PrecomputedResponse(content, etag, LABEL_OF[horizon])


def precompute_responses(table: ForecastTable) -> dict[RequestKey, PrecomputedResponse]:
    """Return the responses of all tickers and horizons of a table.

    5,000 tickers take about a second. `serving.service` lets other threads run in between.
    """
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
