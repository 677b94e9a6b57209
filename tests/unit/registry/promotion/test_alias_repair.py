"""Repair of interrupted moves, and detection of moves outside Stockcast, on SQLite."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from support.clocks.moving_clock import MovingClock

from registry.promotion.aliases import keep_as_challenger, promote, reconcile, rollback
from registry.promotion.audit import Move, begin_move, read_moves
from registry.versions import ModelRegistry


def interrupted(
    registry: ModelRegistry, action: Literal["promote", "keep"], *, is_set: bool
) -> Move:
    """Move an alias to version 2, and stop before or after the alias is set."""
    move = begin_move(
        registry, action, from_version=1, to_version=2, reasons=["better"], actor="ann"
    )
    if is_set:
        set_alias(registry, "challenger" if action == "keep" else "champion", 2)
    return move


def set_alias(registry: ModelRegistry, alias: str, version: int) -> None:
    registry.client.set_registered_model_alias(registry.name, alias, str(version))


def steps(registry: ModelRegistry) -> list[tuple[str, int | None, int | None, bool]]:
    return [(m.action, m.from_version, m.to_version, m.pending) for m in read_moves(registry)]


def status(registry: ModelRegistry, move: Move) -> str:
    return str(registry.client.get_run(move.run_id).info.status)


def test_aliases_that_match_the_trail_need_no_repair(registry: ModelRegistry) -> None:
    assert reconcile(registry) == ()
    promote(registry, 1, "why", "ann")
    keep_as_challenger(registry, 2, "why", "ann")
    assert reconcile(registry) == ()
    assert len(read_moves(registry)) == 2


@pytest.mark.parametrize("action", ["promote", "keep"])
def test_a_move_that_set_its_alias_is_finished(
    registry: ModelRegistry, action: Literal["promote", "keep"]
) -> None:
    promote(registry, 1, "why", "ann")
    move = interrupted(registry, action, is_set=True)
    assert "Decisions" not in registry.get(2).description
    assert reconcile(registry) == (move,)
    assert status(registry, move) == "FINISHED"
    assert steps(registry) == [("promote", None, 1, False), (action, 1, 2, False)]
    assert registry.get(2).tags["stockcast.decision"] == action
    assert registry.get(2).tags["stockcast.decision_reasons"] == "better"
    assert "better" in registry.get(2).description
    assert reconcile(registry) == ()


@pytest.mark.parametrize("action", ["promote", "keep"])
def test_a_move_that_did_not_set_its_alias_is_abandoned(
    registry: ModelRegistry, action: Literal["promote", "keep"]
) -> None:
    promote(registry, 1, "why", "ann")
    # The alias of the other kind of move must not count.
    if action == "promote":
        set_alias(registry, "challenger", 2)
    move = interrupted(registry, action, is_set=False)
    assert reconcile(registry) == (move,)
    assert status(registry, move) == "KILLED"
    assert steps(registry) == [("promote", None, 1, False)]
    assert dict(registry.get(2).tags) == {}
    assert reconcile(registry) == ()


def test_the_next_move_repairs_an_interrupted_one(registry: ModelRegistry) -> None:
    promote(registry, 1, "why", "ann")
    interrupted(registry, "promote", is_set=True)
    move = promote(registry, 3, "best", "bob")
    assert move is not None
    assert steps(registry) == [
        ("promote", None, 1, False),
        ("promote", 1, 2, False),
        ("promote", 2, 3, False),
    ]


@pytest.mark.parametrize("start", [None, 1])
def test_a_champion_set_outside_is_recorded_at_the_time_of_detection(
    registry: ModelRegistry, clock: MovingClock, start: int | None
) -> None:
    if start is not None:
        promote(registry, start, "why", "ann")
    set_alias(registry, "champion", 3)
    clock.advance(hours=2)
    before = clock.now()
    [move] = reconcile(registry)
    assert (move.action, move.from_version, move.to_version) == ("external", start, 3)
    assert (move.actor, move.at) == ("outside Stockcast", before + timedelta(seconds=1))
    assert "moved outside Stockcast" in move.reasons[0]
    assert steps(registry)[-1] == ("external", start, 3, False)
    assert registry.get(3).tags["stockcast.decision"] == "external"
    assert "made champion outside Stockcast" in registry.get(3).description
    assert reconcile(registry) == ()


def test_a_champion_removed_outside_is_recorded(registry: ModelRegistry) -> None:
    promote(registry, 1, "why", "ann")
    page = registry.get(1).description
    registry.client.delete_registered_model_alias(registry.name, "champion")
    [move] = reconcile(registry)
    assert (move.action, move.from_version, move.to_version) == ("external", 1, None)
    assert registry.get(1).description == page
    assert registry.get(1).withdrawal_reason is None
    assert reconcile(registry) == ()


def test_an_interrupted_move_and_one_outside_are_both_recorded(registry: ModelRegistry) -> None:
    promote(registry, 1, "why", "ann")
    pending = interrupted(registry, "promote", is_set=False)
    set_alias(registry, "champion", 4)
    repaired = reconcile(registry)
    assert repaired[0] == pending
    assert (repaired[1].from_version, repaired[1].to_version) == (1, 4)
    assert [step[2] for step in steps(registry)] == [1, 4]


def test_a_rollback_records_a_champion_set_outside_first(registry: ModelRegistry) -> None:
    promote(registry, 1, "why", "ann")
    promote(registry, 2, "why", "ann")
    set_alias(registry, "champion", 3)
    assert rollback(registry, "why", "ann").to_version == 2
    assert steps(registry)[2:] == [("external", 2, 3, False), ("rollback", 3, 2, False)]
