"""Limits of Yahoo Finance as a budget of calls."""

from __future__ import annotations

from market.quota.budgets import Budget, Window

# Yahoo publishes no limits. This is a cautious choice: users report refusals at rates between one
# request in two seconds and five requests a second.
BUDGET = Budget("yahoo", (Window(2, 1.0), Window(30, 60.0)))
