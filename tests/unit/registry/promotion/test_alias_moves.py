"""Moves of the aliases on SQLite: promote, keep as challenger, and roll back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.clocks.moving_clock import MovingClock
from support.registry.candidates import champion_of

from core.errors import RegistryError
from registry.promotion.aliases import (
    TAG_LIMIT,
    apply_decision,
    keep_as_challenger,
    promote,
    rollback,
)
from registry.promotion.audit import Move, read_moves
from registry.promotion.gates import Decision
from registry.promotion.reasons import Reason
from registry.versions import ModelRegistry

DECISION_TAGS = {
    "stockcast.decision": "promote",
    "stockcast.decision_reasons": "good\nenough",
    "stockcast.decided_at": "2013-03-01T22:00:00+00:00",
    "stockcast.decided_by": "ann",
}


def promote_all(registry: ModelRegistry, *versions: int) -> None:
    for version in versions:
        promote(registry, version, "why", "ann")


def aliases(registry: ModelRegistry) -> dict[str, int | None]:
    return {name: registry.alias_version(name) for name in ("champion", "challenger")}


def withdrawn(registry: ModelRegistry) -> dict[int, str]:
    return {
        info.version: info.withdrawal_reason
        for info in registry.list()
        if info.withdrawal_reason is not None
    }


def fields(move: Move | None) -> tuple[object, ...]:
    assert move is not None
    return (move.action, move.from_version, move.to_version, move.reasons, move.actor)


def test_a_promotion_sets_alias_tags_page_and_trail(registry: ModelRegistry) -> None:
    move = promote(registry, 2, [" good ", "enough"], "ann")
    assert fields(move) == ("promote", None, 2, ("good", "enough"), "ann")
    assert champion_of(registry) == 2
    target, other = registry.get(2), registry.get(1)
    assert dict(target.tags) == DECISION_TAGS
    assert target.description.startswith("Page 2\n\n## Decisions")
    assert "promoted to champion" in target.description
    assert (dict(other.tags), other.description) == ({}, "Page 1")


def test_a_second_promotion_names_the_previous_champion(registry: ModelRegistry) -> None:
    promote_all(registry, 1)
    assert fields(promote(registry, 3, "better", "bob")) == ("promote", 1, 3, ("better",), "bob")
    assert champion_of(registry) == 3
    assert "Version 3" not in registry.get(1).description

    before = read_moves(registry), registry.list()
    assert promote(registry, 3, "again", "bob") is None
    assert (read_moves(registry), registry.list()) == before


def test_a_promoted_challenger_is_no_challenger_any_more(registry: ModelRegistry) -> None:
    keep_as_challenger(registry, 2, "not yet", "ann")
    keep_as_challenger(registry, 3, "not yet", "ann")
    promote(registry, 2, "now", "ann")
    assert aliases(registry) == {"champion": 2, "challenger": 3}
    promote(registry, 3, "now", "ann")
    assert aliases(registry) == {"champion": 3, "challenger": None}


def test_a_challenger_leaves_the_champion(registry: ModelRegistry) -> None:
    promote_all(registry, 1)
    move = keep_as_challenger(registry, 2, "too few sessions", "ann")
    assert fields(move) == ("keep", 1, 2, ("too few sessions",), "ann")
    assert aliases(registry) == {"champion": 1, "challenger": 2}
    assert champion_of(registry) == 1
    assert registry.get(2).tags["stockcast.decision"] == "keep"
    assert "kept as challenger" in registry.get(2).description
    assert "kept as challenger" not in registry.get(1).description


def test_a_challenger_is_recorded_again_only_for_other_reasons(registry: ModelRegistry) -> None:
    keep_as_challenger(registry, 2, ["one", "two"], "ann")
    assert keep_as_challenger(registry, 2, ["one", "two"], "bob") is None
    assert len(read_moves(registry)) == 1
    assert keep_as_challenger(registry, 2, ["one", "three"], "bob") is not None
    assert registry.get(2).tags["stockcast.decision_reasons"] == "one\nthree"
    assert keep_as_challenger(registry, 3, ["one", "three"], "bob") is not None
    assert keep_as_challenger(registry, 2, ["one", "three"], "bob") is not None
    assert aliases(registry)["challenger"] == 2


def test_the_champion_cannot_be_its_own_challenger(registry: ModelRegistry) -> None:
    promote_all(registry, 1)
    with pytest.raises(RegistryError, match="Version 1 is the champion and cannot be its own"):
        keep_as_challenger(registry, 1, "why", "ann")
    assert aliases(registry) == {"champion": 1, "challenger": None}
    assert len(read_moves(registry)) == 1


@pytest.mark.parametrize("is_promoted", [True, False])
def test_a_decision_is_applied(registry: ModelRegistry, *, is_promoted: bool) -> None:
    reasons = (Reason("golden", passed=True, sentence="first"), Reason("x", is_promoted, "second"))
    move = apply_decision(registry, 2, Decision(is_promoted, reasons), "pipeline")
    action = "promote" if is_promoted else "keep"
    assert fields(move) == (action, None, 2, ("first", "second"), "pipeline")
    expected = (
        {"champion": 2, "challenger": None} if is_promoted else {"champion": None, "challenger": 2}
    )
    assert aliases(registry) == expected


def test_repeated_rollbacks_go_further_back(registry: ModelRegistry, clock: MovingClock) -> None:
    promote_all(registry, 1, 2, 3)
    clock.advance(hours=1)
    move = rollback(registry, " too bold ", "bob")
    assert fields(move) == ("rollback", 3, 2, ("too bold",), "bob")
    assert champion_of(registry) == 2
    assert withdrawn(registry) == {3: "too bold"}
    assert registry.get(2).tags["stockcast.decision"] == "rollback"
    decided_at = datetime.fromisoformat(registry.get(2).tags["stockcast.decided_at"])
    assert decided_at == move.at == datetime(2013, 3, 1, 23, 0, 6, tzinfo=UTC)
    for version in (2, 3):
        assert "Rolled back to version 2" in registry.get(version).description
    assert "Version 3 promoted" not in registry.get(2).description
    assert registry.get(3).tags["stockcast.decision"] == "promote"

    assert rollback(registry, "worse", "bob").to_version == 1
    assert withdrawn(registry) == {3: "too bold", 2: "worse"}
    with pytest.raises(RegistryError, match="no earlier version to return to: version 1 is champ"):
        rollback(registry, "worst", "bob")
    assert champion_of(registry) == 1


def test_a_rollback_of_a_version_that_was_champion_twice_leaves_it(
    registry: ModelRegistry,
) -> None:
    promote_all(registry, 1, 2, 1)
    assert rollback(registry, "why", "ann").to_version == 2
    assert rollback(registry, "why", "ann").to_version == 1


def test_a_rollback_skips_deleted_versions(registry: ModelRegistry) -> None:
    promote_all(registry, 1, 2, 3)
    registry.client.delete_model_version(registry.name, "2")
    assert fields(rollback(registry, "why", "ann"))[:3] == ("rollback", 3, 1)
    assert champion_of(registry) == 1


def test_a_rollback_from_a_removed_alias_returns_to_the_last_champion(
    registry: ModelRegistry,
) -> None:
    promote_all(registry, 1, 2)
    registry.client.delete_registered_model_alias(registry.name, "champion")
    assert fields(rollback(registry, "why", "ann"))[:3] == ("rollback", None, 2)
    assert withdrawn(registry) == {}


def test_without_any_champion_there_is_no_rollback(registry: ModelRegistry) -> None:
    keep_as_challenger(registry, 2, "why", "ann")
    with pytest.raises(RegistryError, match=r"'stockcast' has no earlier version .* no champion,"):
        rollback(registry, "why", "ann")
    assert aliases(registry) == {"champion": None, "challenger": 2}


def test_a_promotion_after_a_rollback_ends_the_withdrawal(registry: ModelRegistry) -> None:
    promote_all(registry, 1, 2)
    rollback(registry, "too bold", "bob")
    keep_as_challenger(registry, 2, "again", "ann")
    assert withdrawn(registry) == {2: "too bold"}
    promote(registry, 2, "repaired", "ann")
    assert withdrawn(registry) == {}


def test_moves_need_a_reason(registry: ModelRegistry) -> None:
    promote_all(registry, 1, 2)
    for reasons in ("", "  ", [], ["", " "]):
        for move in (promote, keep_as_challenger):
            with pytest.raises(RegistryError, match="`reason` must not be empty"):
                move(registry, 3, reasons, "ann")
    with pytest.raises(RegistryError, match="`reason` must not be empty"):
        rollback(registry, "  ", "ann")
    assert len(read_moves(registry)) == 2


def test_an_unknown_version_changes_nothing(registry: ModelRegistry) -> None:
    for move in (promote, keep_as_challenger):
        with pytest.raises(RegistryError, match="'stockcast' has no version 9"):
            move(registry, 9, "why", "ann")
    assert aliases(registry) == {"champion": None, "challenger": None}
    assert read_moves(registry) == ()


def test_long_reasons_fit_into_a_tag(registry: ModelRegistry) -> None:
    promote(registry, 1, "x" * (TAG_LIMIT + 1), "ann")
    assert registry.get(1).tags["stockcast.decision_reasons"] == "x" * 5000
