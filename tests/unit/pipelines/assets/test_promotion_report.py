"""The report of a promotion decision."""

from pipelines.assets.registration import ALREADY_CHAMPION, KEPT, promotion_report
from registry.promotion.gates import Decision
from registry.promotion.reasons import Reason

NARROW = Reason("coverage_80_1w", passed=False, sentence="The interval is too narrow: failed")
SELF = Reason("champion", passed=True, sentence="There is no champion: passed")


def test_a_refused_version_has_the_command_that_serves_it_anyway() -> None:
    report = promotion_report(3, KEPT, Decision(promote=False, reasons=(NARROW, SELF)))

    assert report["hint"] == ("To serve version 3 anyway, run `stockcast promote 3 --reason ...`.")
    assert [reason["gate"] for reason in report["reasons"]] == ["coverage_80_1w", "champion"]


def test_the_report_of_a_champion_has_no_hint_and_no_comparison_with_itself() -> None:
    report = promotion_report(3, ALREADY_CHAMPION, Decision(promote=False, reasons=(NARROW, SELF)))

    assert report["hint"] is None
    assert [reason["gate"] for reason in report["reasons"]] == ["coverage_80_1w"]
