"""What follows from a trail: who was live when, and where rollbacks lead."""

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


def trail(*steps: tuple[Action, int | None], pending: bool = False) -> list[Move]:
    """Moves an hour apart."""
    return [
        Move(f"run{i}", START + timedelta(hours=i), action, None, to, "ann", ("why",), pending)
        for i, (action, to) in enumerate(steps)
    ]


def test_an_empty_trail_has_no_live_version() -> None:
    assert recorded_champion([]) is None
    assert rollback_path([]) == ()


def test_each_version_is_live_until_the_next_one_is() -> None:
    first, second = champion_periods(trail(("promote", 1), ("keep", 2), ("promote", 3)))
    assert (first.version, first.since, first.until) == (1, START, START + timedelta(hours=2))
    assert (second.version, second.until) == (3, None)


def test_a_challenger_was_never_live() -> None:
    assert recorded_champion(trail(("promote", 1), ("keep", 2))) == 1


def test_a_removed_champion_leaves_nobody_live() -> None:
    moves = trail(("promote", 1), ("external", None))
    assert recorded_champion(moves) is None
    assert champion_periods(moves)[0].until == START + timedelta(hours=1)


def test_a_move_that_two_machines_noticed_counts_once() -> None:
    moves = trail(("promote", 1), ("external", 2), ("external", 2))
    assert [tenure.version for tenure in champion_periods(moves)] == [1, 2]
    assert rollback_path(moves) == (1, 2)


def test_a_move_that_was_only_begun_counts_for_nothing() -> None:
    assert recorded_champion(trail(("promote", 1), pending=True)) is None


def test_a_rollback_takes_what_it_left_off_the_way() -> None:
    moves = trail(("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2))
    assert rollback_path(moves) == (1, 2)


def test_a_version_promoted_after_a_rollback_leads_back_past_the_bad_one() -> None:
    moves = trail(("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3))
    assert rollback_path(moves) == (1, 3)


def test_a_rollback_may_pass_over_deleted_versions() -> None:
    moves = trail(("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 1))
    assert rollback_path(moves) == (1,)


def test_a_version_promoted_twice_is_on_the_way_twice() -> None:
    moves = trail(("promote", 1), ("promote", 2), ("promote", 1))
    assert rollback_path(moves) == (1, 2, 1)
