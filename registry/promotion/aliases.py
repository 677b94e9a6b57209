"""Moves of the aliases: promote, keep as challenger, roll back, and repair after a kill.

The decision is made by `registry.promotion.gates`; the audit trail is `registry.promotion.audit`.

A move has four steps: its entry in the audit trail is written, the alias is set, the descriptions
of the versions are updated, and the entry is finished. Every move starts with `reconcile`, which
repairs a move that a kill interrupted: if the alias was set, the remaining steps are done;
otherwise the entry is marked as abandoned. MLflow has no locks. Of two simultaneous moves the
later write of the alias wins, and `reconcile` adapts the audit trail to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import RegistryError
from registry.model_page import with_decisions
from registry.names import (
    CHALLENGER,
    CHAMPION,
    DECIDED_AT_TAG,
    DECIDED_BY_TAG,
    DECISION_TAG,
    REASONS_TAG,
    WITHDRAWN_TAG,
)
from registry.promotion.audit import (
    Action,
    Move,
    abandon_move,
    begin_move,
    finish_move,
    read_moves,
    recorded_champion,
    rollback_path,
)

if TYPE_CHECKING:
    from registry.promotion.gates import Decision
    from registry.versions import ModelRegistry, VersionInfo

OUTSIDE = "outside Stockcast"
TAG_LIMIT = 5000


def apply_decision(
    registry: ModelRegistry, version: int, decision: Decision, actor: str
) -> Move | None:
    """Promote a candidate or keep it as challenger; return None if nothing changes."""
    if decision.promote:
        return promote(registry, version, decision.sentences, actor)
    return keep_as_challenger(registry, version, decision.sentences, actor)


def promote(
    registry: ModelRegistry, version: int, reasons: str | Sequence[str], actor: str
) -> Move | None:
    """Make a version the champion; return None if it is already."""
    reasons = _validate_reasons(reasons)
    target = registry.get(version).version
    reconcile(registry)
    live = registry.alias_version(CHAMPION)
    if live == target:
        return None
    return _move_alias(registry, "promote", target, live=live, reasons=reasons, actor=actor)


def keep_as_challenger(
    registry: ModelRegistry, version: int, reasons: str | Sequence[str], actor: str
) -> Move | None:
    """Make a version the challenger; return None if it is already, for the same reasons.

    Raises `RegistryError` if the version is the champion.
    """
    reasons = _validate_reasons(reasons)
    reconcile(registry)
    target = registry.get(version)
    if CHAMPION in target.aliases:
        msg = (
            f"Version {version} is the champion and cannot be its own challenger; "
            "`stockcast rollback --reason ...` returns to an earlier champion."
        )
        raise RegistryError(msg)
    if CHALLENGER in target.aliases and target.tags.get(REASONS_TAG) == _as_tag(reasons):
        return None
    live = registry.alias_version(CHAMPION)
    return _move_alias(registry, "keep", target.version, live=live, reasons=reasons, actor=actor)


def rollback(registry: ModelRegistry, reason: str, actor: str) -> Move:
    """Return to the previous champion; repeated rollbacks go further back.

    Versions that were deleted since are skipped. Raises `RegistryError` if there is no earlier one.
    """
    reasons = _validate_reasons(reason)
    reconcile(registry)
    live = registry.alias_version(CHAMPION)
    existing = {info.version for info in registry.list()}
    path = rollback_path(read_moves(registry))
    earlier = [version for version in path if version in existing and version != live]
    if not earlier:
        state = "there is no champion" if live is None else f"version {live} is champion"
        msg = (
            f"{registry.name!r} has no earlier version to return to: {state}, and no other version "
            "that still exists was champion; use `stockcast promote VERSION --reason ...`."
        )
        raise RegistryError(msg)
    return _move_alias(registry, "rollback", earlier[-1], live=live, reasons=reasons, actor=actor)


def reconcile(registry: ModelRegistry) -> tuple[Move, ...]:
    """Adapt the audit trail to the aliases, and return the moves that were repaired or added.

    Moves made outside Stockcast, such as in the MLflow UI, are recorded as external. Their time is
    unknown, so they count from now.
    """
    moves = read_moves(registry)
    champion = registry.alias_version(CHAMPION)
    repaired = []
    for move in (move for move in moves if move.pending):
        alias = CHALLENGER if move.action == "keep" else CHAMPION
        if registry.alias_version(alias) == move.to_version:
            _describe_and_finish(registry, move)
        else:
            abandon_move(registry, move)
        repaired.append(move)
    if repaired:
        moves = read_moves(registry)
    live = recorded_champion(moves)
    if live != champion:
        reasons = ["The alias was moved outside Stockcast; the time is that of the detection."]
        move = begin_move(
            registry,
            "external",
            from_version=live,
            to_version=champion,
            reasons=reasons,
            actor=OUTSIDE,
        )
        _describe_and_finish(registry, move)
        repaired.append(move)
    return tuple(repaired)


def _move_alias(
    registry: ModelRegistry,
    action: Action,
    target: int,
    *,
    live: int | None,
    reasons: tuple[str, ...],
    actor: str,
) -> Move:
    move = begin_move(
        registry, action, from_version=live, to_version=target, reasons=reasons, actor=actor
    )
    alias = CHALLENGER if action == "keep" else CHAMPION
    with registry.request(f"moving the alias {alias!r} to version {target}") as client:
        client.set_registered_model_alias(registry.name, alias, str(target))
    _describe_and_finish(registry, move)
    return move


def _describe_and_finish(registry: ModelRegistry, move: Move) -> None:
    """Write a move to the tags and descriptions of its versions, and finish it. Idempotent."""
    finished = [m for m in read_moves(registry) if not m.pending and m.run_id != move.run_id]
    moves = [*finished, move]
    for info in registry.list():
        if info.version == move.to_version:
            _tag_target(registry, info, move)
        elif info.version == move.from_version and move.action == "rollback":
            registry.set_tags(info.version, {WITHDRAWN_TAG: _as_tag(move.reasons)})
        else:
            continue
        related = [m for m in moves if _concerns(m, info.version)]
        with registry.request(f"describing version {info.version}") as client:
            client.update_model_version(
                registry.name, str(info.version), with_decisions(info.description, related)
            )
    finish_move(registry, move)


def _tag_target(registry: ModelRegistry, info: VersionInfo, move: Move) -> None:
    tags = {
        DECISION_TAG: move.action,
        REASONS_TAG: _as_tag(move.reasons),
        DECIDED_AT_TAG: move.at.isoformat(timespec="seconds"),
        DECIDED_BY_TAG: move.actor,
    }
    registry.set_tags(info.version, tags)
    if move.action == "keep":
        return
    with registry.request(f"removing old marks of version {info.version}") as client:
        if info.withdrawal_reason is not None:
            client.delete_model_version_tag(registry.name, str(info.version), WITHDRAWN_TAG)
        if CHALLENGER in info.aliases:
            client.delete_registered_model_alias(registry.name, CHALLENGER)


def _concerns(move: Move, version: int) -> bool:
    rolled_back = move.action == "rollback" and move.from_version == version
    return move.to_version == version or rolled_back


def _as_tag(reasons: Sequence[str]) -> str:
    return "\n".join(reasons)[:TAG_LIMIT]


def _validate_reasons(reasons: str | Sequence[str]) -> tuple[str, ...]:
    validated = tuple(r.strip() for r in ([reasons] if isinstance(reasons, str) else reasons))
    if not any(validated):
        msg = "`reason` must not be empty; it is stored in the audit trail."
        raise RegistryError(msg)
    return validated
