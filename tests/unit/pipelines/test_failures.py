"""Errors become Dagster failures with or without a retry."""

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
def test_an_error_becomes_a_failure_that_allows_a_retry_if_transient(
    error: StockcastError, *, retried: bool
) -> None:
    with pytest.raises(dg.Failure, match=str(error)) as caught, classed_failures():
        raise error

    assert caught.value.allow_retries is retried
    assert caught.value.__cause__ is error


def test_other_exceptions_are_not_converted() -> None:
    with pytest.raises(ZeroDivisionError), classed_failures():
        raise ZeroDivisionError


@pytest.mark.parametrize(("error", "tries"), [(BarsError, 1), (ProviderDownError, 3)])
def test_dagster_retries_transient_failures_only(error: type[StockcastError], tries: int) -> None:
    attempts = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def failing() -> None:
        attempts.append(1)
        with classed_failures():
            raise error

    assert not dg.materialize([failing], raise_on_error=False).success
    assert len(attempts) == tries
