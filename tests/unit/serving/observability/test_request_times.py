from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.observability.request_times import BOUNDS, RequestTimes, merge_buckets

ROUTE = "/predict/{ticker}"
TIMES = st.lists(st.floats(2e-6, 80.0), min_size=1, max_size=200)


def recorded(times: list[float], *, route: str = ROUTE, status: int = 200) -> RequestTimes:
    requests = RequestTimes()
    for seconds in times:
        requests.record(route, status, seconds)
    return requests


@given(TIMES, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_differs_by_at_most_a_bucket_from_the_exact_one(
    times: list[float], p: float
) -> None:
    estimate = recorded(times).summary().quantile(p)
    exact = float(np.quantile(times, p, method="inverted_cdf"))
    assert estimate is not None
    assert exact / 1.13 <= estimate <= exact * 1.13


@given(TIMES)
def test_mean_and_share_within_100_ms_are_exact(times: list[float]) -> None:
    summary = recorded(times).summary()
    assert summary.requests == len(times)
    assert summary.mean == pytest.approx(np.mean(times))
    assert summary.share_within(0.1) == pytest.approx(np.mean(np.array(times) <= 0.1))


def test_summaries_are_per_route_and_over_all_routes() -> None:
    requests = recorded([0.001] * 3)
    requests.record("/health", 503, 0.5)
    requests.record("/quote/{ticker}", 404, 0.1)
    assert requests.routes == ["/health", ROUTE, "/quote/{ticker}"]
    assert requests.summary([ROUTE]).statuses == {200: 3}
    assert requests.summary().statuses == {200: 3, 404: 1, 503: 1}
    assert requests.summary().error_rate == 0.2
    assert requests.summary([ROUTE]).error_rate == 0.0


def test_a_summary_without_requests_has_no_numbers() -> None:
    summary = RequestTimes().summary()
    numbers = (summary.mean, summary.quantile(0.5), summary.share_within(0.1), summary.error_rate)
    assert numbers == (None, None, None, None)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e6])
def test_times_outside_of_the_bounds_are_counted(seconds: float) -> None:
    summary = recorded([seconds]).summary()
    assert summary.requests == 1
    assert summary.quantile(1.0) == pytest.approx(min(max(seconds, 1e-6), 90.0))


@given(TIMES)
def test_coarser_buckets_hold_every_request_once(times: list[float]) -> None:
    bounds = (0.001, 0.1, 10.0)
    merged = merge_buckets(recorded(times).summary().counts, bounds)
    edges = [0.0, *bounds, np.inf]
    exact = [sum(low < t <= high for t in times) for low, high in pairwise(edges)]
    assert merged == exact
    assert len(BOUNDS) + 1 == len(recorded(times).summary().counts)
