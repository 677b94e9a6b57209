"""The prefix of the API, and the canonical form of requests."""

from __future__ import annotations

import pytest

from serving.http.prefix import canonical_request, without_prefix


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/predict/AAPL", "/predict/AAPL"),
        ("/api/v1/", "/"),
        ("/api/v1", "/api/v1"),
        ("/api/v10/predict/AAPL", "/api/v10/predict/AAPL"),
        ("/predict/api/v1", "/predict/api/v1"),
    ],
)
def test_only_the_whole_prefix_is_removed(path: str, route: str) -> None:
    assert without_prefix(path) == route


@pytest.mark.parametrize(
    ("path", "query", "canonical"),
    [
        ("/predict/aapl", b"", ("/predict/AAPL", b"")),
        ("/api/v1/predict/AAPL", b"horizon=1w", ("/predict/AAPL", b"horizon=1w")),
        ("/predict/brk-b", b"timeframe=1m", ("/predict/BRK.B", b"horizon=1m")),
        ("/predict/../secret", b"", None),
        ("/predict/", b"", None),
        ("/predict/AAPL", b"horizon=\xff", None),
        ("/quote/aapl", b"", None),
    ],
)
def test_a_forecast_request_has_one_canonical_form(
    path: str, query: bytes, canonical: tuple[str, bytes] | None
) -> None:
    assert canonical_request(path, query) == canonical
