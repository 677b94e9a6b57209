"""The error message of a command whose run was blocked by checks."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from stockcast.cli.job_runs import cause_of

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dg.asset
def bars() -> None:
    """Some bars."""


@dg.asset_check(asset=bars, blocking=True)
def few_refused() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=ERROR, description="Half were refused.")


@dg.multi_asset_check(
    name="bars_quality",
    specs=[
        dg.AssetCheckSpec("level", asset=bars, blocking=True),
        dg.AssetCheckSpec("outliers", asset=bars),
    ],
)
def quality() -> Iterator[dg.AssetCheckResult]:
    for name, severity, description in (
        ("outliers", WARN, "One outlier."),
        ("level", ERROR, "IBM is a hundred times itself."),
    ):
        yield dg.AssetCheckResult(
            asset_key=bars.key,
            check_name=name,
            passed=False,
            severity=severity,
            description=description,
        )


def test_the_message_contains_every_failed_blocking_check_and_no_warning() -> None:
    result = dg.materialize([bars, few_refused, quality], raise_on_error=False)

    assert set(cause_of(result).split("\n")) == {
        "bars_few_refused: Half were refused.",
        "bars_quality: IBM is a hundred times itself.",
    }
