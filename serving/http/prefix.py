"""The versioned prefix of the API, and the canonical form of a request for a forecast."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from core.errors import TickerError
from core.tickers import check_ticker
from serving.http.schemas.parameters import SYNONYMS

PREFIX = "/api/v1"
_FORECAST = "/predict/"


def without_prefix(path: str) -> str:
    """Return the path of a route; every route exists with and without `PREFIX`.

    Examples
    --------
    >>> without_prefix("/api/v1/predict/AAPL"), without_prefix("/api/v10/x"), without_prefix("/x")
    ('/predict/AAPL', '/api/v10/x', '/x')
    """
    if path.startswith(PREFIX) and path[len(PREFIX) :].startswith("/"):
        return path[len(PREFIX) :]
    return path


def canonical_request(path: str, query: bytes) -> tuple[str, bytes] | None:
    """Return the spelling under which the response to a GET request is precomputed.

    It has no prefix, the ticker in capitals, and `horizon` instead of its synonym. Returns None if
    the request is not for a forecast or is malformed; a route then responds with the reason.

    Parameters
    ----------
    path
        Decoded path.
    query
        Raw query string.

    Examples
    --------
    >>> canonical_request("/api/v1/predict/brk-b", b"timeframe=1w")
    ('/predict/BRK.B', b'horizon=1w')
    >>> canonical_request("/health", b"") is None
    True
    """
    path = without_prefix(path)
    if not path.startswith(_FORECAST):
        return None
    try:
        ticker = check_ticker(path[len(_FORECAST) :])
        fields = parse_qsl(query.decode("ascii"), keep_blank_values=True)
    except (TickerError, ValueError):
        return None
    return _FORECAST + ticker, urlencode([(SYNONYMS.get(k, k), v) for k, v in fields]).encode()
