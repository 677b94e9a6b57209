"""Errors say whether another try can help, and Dagster listens."""

from __future__ import annotations

import dagster as dg
import pytest

from core.errors import BarsError, PermanentError, ProviderDownError, StockcastError
from pipelines.failures import classed_failures


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (PermanentError("no such file"), False),
        (BarsError("AAPL.csv, row 3, Close"), False),
        (ProviderDownError("no answer"), True),
    ],
)
def test_an_error_becomes_a_failure_that_says_whether_to_try_again(
    error: StockcastError, *, retried: bool
) -> None:
    with pytest.raises(dg.Failure, match=str(error)) as caught, classed_failures():
        raise error

    assert caught.value.allow_retries is retried
    assert caught.value.__cause__ is error


def test_an_error_that_is_not_ours_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), classed_failures():
        raise ZeroDivisionError


@pytest.mark.parametrize(("error", "tries"), [(BarsError, 1), (ProviderDownError, 3)])
def test_dagster_tries_transient_failures_again_and_permanent_ones_not(
    error: type[StockcastError], tries: int
) -> None:
    made = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def failing() -> None:
        made.append(1)
        with classed_failures():
            raise error

    assert not dg.materialize([failing], raise_on_error=False).success
    assert len(made) == tries
