"""Moving the aliases: promote, keep as challenger, roll back, and mend what a kill left half done.

The order of the writes belongs here. Deciding whether to promote does not (`registry.promotion.gates`),
nor does the form of the trail (`registry.promotion.audit`).

A move is written down, then made, then told on the version's page, then finished. After a kill
`reconcile`, which every move begins with, looks where the alias is: if the move was made, it tells
and finishes it; if not, it marks it as never made. MLflow knows no locks: of two moves made in the
same instant the later write of the alias wins, and `reconcile` brings the trail in line with it.
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
    """Promote or keep a candidate as decided; None when there is nothing left to do."""
    if decision.promote:
        return promote(registry, version, decision.sentences, actor)
    return keep_as_challenger(registry, version, decision.sentences, actor)


def promote(
    registry: ModelRegistry, version: int, reasons: str | Sequence[str], actor: str
) -> Move | None:
    """Make a version the champion; None when it is already."""
    why = _stated(reasons)
    target = registry.get(version).version
    reconcile(registry)
    live = registry.alias_version(CHAMPION)
    if live == target:
        return None
    return _make(registry, "promote", target, live=live, reasons=why, actor=actor)


def keep_as_challenger(
    registry: ModelRegistry, version: int, reasons: str | Sequence[str], actor: str
) -> Move | None:
    """Make a version the challenger; None when it is already, for the same reasons.

    The champion stays what it is: `RegistryError` for the champion itself.
    """
    why = _stated(reasons)
    reconcile(registry)
    target = registry.get(version)
    if CHAMPION in target.aliases:
        msg = (
            f"Version {version} is the champion and cannot be its own challenger. "
            "`stockcast rollback --reason ...` takes it back."
        )
        raise RegistryError(msg)
    if CHALLENGER in target.aliases and target.tags.get(REASONS_TAG) == _as_tag(why):
        return None
    live = registry.alias_version(CHAMPION)
    return _make(registry, "keep", target.version, live=live, reasons=why, actor=actor)


def rollback(registry: ModelRegistry, reason: str, actor: str) -> Move:
    """Return to the version that was live before; again, to the one before that.

    A version that was deleted since is passed over. `RegistryError` when there is no earlier one.
    """
    why = _stated(reason)
    reconcile(registry)
    live = registry.alias_version(CHAMPION)
    existing = {info.version for info in registry.list()}
    path = rollback_path(read_moves(registry))
    before = [version for version in path if version in existing]
    if live is not None and before[-1:] == [live]:
        before.pop()
    earlier = [version for version in before if version != live]
    if not earlier:
        now = "there is no champion" if live is None else f"version {live} is live"
        msg = (
            f"There is no earlier version of {registry.name!r} to return to: {now}, and none that "
            "still exists was live before. `stockcast promote VERSION --reason ...` names one."
        )
        raise RegistryError(msg)
    return _make(registry, "rollback", earlier[-1], live=live, reasons=why, actor=actor)


def reconcile(registry: ModelRegistry) -> tuple[Move, ...]:
    """Bring the trail in line with where the aliases are; return what had to be mended.

    Moves that were made outside Stockcast, such as in the MLflow UI, are recorded as such. When
    they were made is not known, so they count from now.
    """
    moves = read_moves(registry)
    champion = registry.alias_version(CHAMPION)
    mended = []
    for move in (move for move in moves if move.pending):
        alias = CHALLENGER if move.action == "keep" else CHAMPION
        if registry.alias_version(alias) == move.to_version:
            _tell_and_finish(registry, move)
        else:
            abandon_move(registry, move)
        mended.append(move)
    if mended:
        moves = read_moves(registry)
    live = recorded_champion(moves)
    if live != champion:
        reasons = ["The alias was moved without Stockcast; this is when it was noticed."]
        move = begin_move(
            registry,
            "external",
            from_version=live,
            to_version=champion,
            reasons=reasons,
            actor=OUTSIDE,
        )
        _tell_and_finish(registry, move)
        mended.append(move)
    return tuple(mended)


def _make(
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
    _tell_and_finish(registry, move)
    return move


def _tell_and_finish(registry: ModelRegistry, move: Move) -> None:
    """Write a made move to the pages of its versions; doing it twice changes nothing."""
    told = [*(m for m in read_moves(registry) if not m.pending and m.run_id != move.run_id), move]
    for info in registry.list():
        if info.version == move.to_version:
            _mark_target(registry, info, move)
        elif info.version == move.from_version and move.action == "rollback":
            registry.set_tags(info.version, {WITHDRAWN_TAG: _as_tag(move.reasons)})
        else:
            continue
        about = [m for m in told if _concerns(m, info.version)]
        with registry.request(f"describing version {info.version}") as client:
            client.update_model_version(
                registry.name, str(info.version), with_decisions(info.description, about)
            )
    finish_move(registry, move)


def _mark_target(registry: ModelRegistry, info: VersionInfo, move: Move) -> None:
    tags = {
        DECISION_TAG: move.action,
        REASONS_TAG: _as_tag(move.reasons),
        DECIDED_AT_TAG: move.at.isoformat(timespec="seconds"),
        DECIDED_BY_TAG: move.actor,
    }
    registry.set_tags(info.version, tags)
    if move.action == "keep":
        return
    with registry.request(f"tidying up after the move to version {info.version}") as client:
        if info.withdrawal_reason is not None:
            client.delete_model_version_tag(registry.name, str(info.version), WITHDRAWN_TAG)
        if CHALLENGER in info.aliases:
            client.delete_registered_model_alias(registry.name, CHALLENGER)


def _concerns(move: Move, version: int) -> bool:
    rolled_back = move.action == "rollback" and move.from_version == version
    return move.to_version == version or rolled_back


def _as_tag(reasons: Sequence[str]) -> str:
    return "\n".join(reasons)[:TAG_LIMIT]


def _stated(reasons: str | Sequence[str]) -> tuple[str, ...]:
    stated = tuple(r.strip() for r in ([reasons] if isinstance(reasons, str) else reasons))
    if not any(stated):
        msg = "`reason` must say why, got nothing; the audit trail keeps it."
        raise RegistryError(msg)
    return stated
