from __future__ import annotations

import logging

import pytest

from serving.observability.request_log import SLOW_SECONDS, RequestLog

ROUTE = "/predict/{ticker}"


def due(log: RequestLog, status: int, seconds: float, now: float, *, requests: int) -> int:
    """Return how many of equal requests at one time are due."""
    return sum(log.is_due(status, seconds, now) for _ in range(requests))


def test_the_number_of_lines_per_second_is_bounded() -> None:
    log = RequestLog(5)
    assert due(log, 200, 0.001, 100.0, requests=1000) == 5
    assert due(log, 404, 0.001, 100.9, requests=1000) == 0
    assert due(log, 200, 0.001, 101.1, requests=1000) == 5


@pytest.mark.parametrize(("status", "seconds"), [(500, 0.001), (503, 0.001), (200, SLOW_SECONDS)])
def test_failed_and_slow_requests_are_logged_beside_any_number_of_others(
    status: int, seconds: float
) -> None:
    log = RequestLog(0)
    assert due(log, 200, 0.001, 100.0, requests=1000) == 0
    assert due(log, status, seconds, 100.0, requests=20) == 20
    assert due(log, status, seconds, 100.0, requests=10_000) == 80  # 100 in this second


def test_a_line_counts_the_requests_that_were_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog(1)
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for now in (100.0, 100.1, 100.2, 101.5, 103.0):
            if log.is_due(200, 0.00005, now):
                log.write(route=ROUTE, status=200, seconds=0.00005, ticker="AAPL", version=None)
    assert caplog.messages == [
        f"event=request route={ROUTE} status=200 milliseconds=0.050 ticker=AAPL",
        f"event=request route={ROUTE} status=200 milliseconds=0.050 ticker=AAPL not_logged=2",
        f"event=request route={ROUTE} status=200 milliseconds=0.050 ticker=AAPL",
    ]


def test_a_failed_request_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    RequestLog(1).write(route=ROUTE, status=500, seconds=0.01, request_id="abc")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith("request_id=abc")
