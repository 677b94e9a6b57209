"""Calls and refusals of a quota ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.errors import QuotaError
from market.quota.budgets import Budget, Purpose
from market.quota.ledger import QuotaLedger

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2026, 11, 23, 10, tzinfo=NEW_YORK)
MIDNIGHT = datetime(2026, 11, 24, 5, tzinfo=UTC)
THREE_A_DAY = Budget("acme", (), 3, "America/New_York")


def make_calls(
    ledger: QuotaLedger, n: int, budget: Budget = THREE_A_DAY, purpose: Purpose = "ingest"
) -> None:
    for _ in range(n):
        with ledger.call(budget, purpose=purpose):
            pass


def refusal(
    ledger: QuotaLedger,
    budget: Budget = THREE_A_DAY,
    purpose: Purpose = "ingest",
    reserved_calls: int = 0,
) -> QuotaError:
    with (
        pytest.raises(QuotaError) as refused,
        ledger.call(budget, purpose=purpose, reserved_calls=reserved_calls),
    ):
        pytest.fail("the call was granted")
    return refused.value
