"""Combination of several failures into one error."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import (
    BarsError,
    ProviderDownError,
    ProviderKeyError,
    QuotaError,
    ReconciliationError,
    StockcastError,
    TierError,
    UnknownTickerError,
)
from market.providers.failover.errors import ProviderFailure, combine_failures

SOON = datetime(2012, 6, 1, 21, 1, tzinfo=UTC)
MIDNIGHT = datetime(2012, 6, 2, 4, tzinfo=UTC)

DOWN = ProviderDownError("down.")
KEY = ProviderKeyError("no such key.")
NONSENSE = BarsError("nonsense.")
MISFIT = ReconciliationError("closes differ.")
TIER = TierError("too far back.", reach=100)
SPENT = QuotaError("spent.", renews_at=MIDNIGHT)
PACE = QuotaError("too fast.", renews_at=SOON)
UNKNOWN = UnknownTickerError("APPL", "the one", ("AAPL", "APP"))
UNKNOWN_TOO = UnknownTickerError("APPL", "the other", ("AAPL", "APLE"))


def combine(*errors: StockcastError) -> StockcastError:
    names = ("alpha_vantage", "yahoo", "files")
    return combine_failures(
        "APPL", [ProviderFailure(n, e) for n, e in zip(names, errors, strict=False)]
    )


@pytest.mark.parametrize("error", [DOWN, SPENT, TIER, UNKNOWN, NONSENSE])
def test_a_single_error_is_returned_unchanged(error: StockcastError) -> None:
    assert combine(error) is error


def test_the_message_has_all_reasons() -> None:
    assert str(combine(DOWN, NONSENSE)) == (
        "No provider delivered APPL. alpha_vantage: down. yahoo: nonsense."
    )


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((DOWN, DOWN), ProviderDownError),
        ((SPENT, DOWN), QuotaError),
        ((SPENT, NONSENSE), QuotaError),
        ((DOWN, SPENT), ProviderDownError),
        ((UNKNOWN, SPENT), QuotaError),
        ((UNKNOWN, DOWN), ProviderDownError),
        ((UNKNOWN, UNKNOWN_TOO), UnknownTickerError),
        ((UNKNOWN, MISFIT), ReconciliationError),
        ((UNKNOWN, TIER), TierError),
        ((TIER, DOWN), TierError),
        ((TIER, UNKNOWN), TierError),
        ((KEY, DOWN), ProviderDownError),
        ((KEY, UNKNOWN), ProviderKeyError),
        ((NONSENSE, MISFIT), BarsError),
    ],
)
def test_the_class_of_the_combined_error(
    errors: tuple[StockcastError, ...], expected: type[StockcastError]
) -> None:
    assert type(combine(*errors)) is expected


@pytest.mark.parametrize("errors", [(SPENT, PACE), (PACE, SPENT), (SPENT, DOWN, PACE)])
def test_the_earliest_renewal_counts(
    errors: tuple[StockcastError, ...],
) -> None:
    error = combine(*errors)

    assert isinstance(error, QuotaError)
    assert error.renews_at == SOON


@pytest.mark.parametrize("errors", [(TIER, DOWN), (UNKNOWN, TIER)])
def test_the_reach_of_a_tier_is_kept(errors: tuple[StockcastError, ...]) -> None:
    error = combine(*errors)

    assert isinstance(error, TierError)
    assert error.reach == 100


def test_similar_tickers_of_all_providers_are_kept() -> None:
    error = combine(UNKNOWN, UNKNOWN_TOO)

    assert isinstance(error, UnknownTickerError)
    assert error.similar == ("AAPL", "APP", "APLE")
    assert str(error) == (
        "`ticker` 'APPL' is not available from the providers alpha_vantage and yahoo. "
        "Did you mean AAPL, APP, APLE?"
    )
