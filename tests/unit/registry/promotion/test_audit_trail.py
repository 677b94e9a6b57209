"""Champions and rollback paths that follow from the moves of an audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from registry.promotion.audit import (
    Action,
    Move,
    champion_periods,
    recorded_champion,
    rollback_path,
)

START = datetime(2013, 3, 1, 22, tzinfo=UTC)


def moves_of(*steps: tuple[Action, int | None], pending: bool = False) -> list[Move]:
    """Return moves that are one hour apart."""
    return [
        Move(f"run{i}", START + timedelta(hours=i), action, None, to, "ann", ("why",), pending)
        for i, (action, to) in enumerate(steps)
    ]


def test_without_moves_there_is_no_champion() -> None:
    assert recorded_champion([]) is None
    assert rollback_path([]) == ()


def test_each_champion_period_ends_with_the_next_promotion() -> None:
    first, second = champion_periods(moves_of(("promote", 1), ("keep", 2), ("promote", 3)))
    assert (first.version, first.since, first.until) == (1, START, START + timedelta(hours=2))
    assert (second.version, second.until) == (3, None)


def test_a_challenger_is_no_champion() -> None:
    assert recorded_champion(moves_of(("promote", 1), ("keep", 2))) == 1


def test_a_removed_alias_leaves_no_champion() -> None:
    moves = moves_of(("promote", 1), ("external", None))
    assert recorded_champion(moves) is None
    assert champion_periods(moves)[0].until == START + timedelta(hours=1)


def test_a_move_that_two_machines_detected_counts_once() -> None:
    moves = moves_of(("promote", 1), ("external", 2), ("external", 2))
    assert [period.version for period in champion_periods(moves)] == [1, 2]
    assert rollback_path(moves) == (1, 2)


def test_a_pending_move_does_not_count() -> None:
    assert recorded_champion(moves_of(("promote", 1), pending=True)) is None


def test_a_rollback_removes_the_versions_after_its_target_from_the_path() -> None:
    moves = moves_of(("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2))
    assert rollback_path(moves) == (1, 2)


def test_the_path_of_a_version_promoted_after_a_rollback_skips_the_rolled_back_one() -> None:
    moves = moves_of(("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3))
    assert rollback_path(moves) == (1, 3)


def test_a_rollback_may_skip_deleted_versions() -> None:
    moves = moves_of(("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 1))
    assert rollback_path(moves) == (1,)


def test_a_version_promoted_twice_is_on_the_path_twice() -> None:
    moves = moves_of(("promote", 1), ("promote", 2), ("promote", 1))
    assert rollback_path(moves) == (1, 2, 1)
