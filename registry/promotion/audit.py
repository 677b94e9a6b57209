"""Audit trail of the aliases: every move with its time, actor and reasons.

Every move is one run in the experiment ``<model>-audit``, so each machine adds its own entries and
rewrites none of another machine. The run is created before the alias is set and finished
afterwards, so an interrupted move can be recognised. Aliases are moved by
`registry.promotion.aliases`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

from registry.experiments import ensure_experiment, find_runs
from registry.names import NOTE_TAG, USER_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

    from registry.versions import ModelRegistry

Action = Literal["promote", "keep", "rollback", "external"]

SEQUENCE_TAG = "stockcast.sequence"
ACTION_TAG = "stockcast.action"
FROM_TAG = "stockcast.from_version"
TO_TAG = "stockcast.to_version"
ACTOR_TAG = "stockcast.actor"
REASONS_TAG = "stockcast.reasons"
ABOUT = "One run per move of an alias: running during the move, finished afterwards."
# MLflow truncates longer tags silently, which would break the JSON list.
REASONS_LIMIT = 7500
NONE = "none"


@dataclass(frozen=True)
class Move:
    """One entry of the audit trail.

    `from_version` was champion before. `to_version` is champion afterwards; for ``keep`` it is the
    new challenger. `at` is the time of the move, or of its detection for ``external``. `pending` is
    true while the move is not finished.
    """

    run_id: str
    at: datetime
    action: Action
    from_version: int | None
    to_version: int | None
    actor: str
    reasons: tuple[str, ...]
    pending: bool = False

    @property
    def sentence(self) -> str:
        """A short description of the move."""
        before = "" if self.from_version is None else f", previously version {self.from_version}"
        match self.action:
            case "promote":
                return f"Version {self.to_version} promoted to champion{before}"
            case "keep":
                return f"Version {self.to_version} kept as challenger"
            case "rollback":
                return f"Rolled back to version {self.to_version}{before}"
            case "external" if self.to_version is None:
                return f"Champion removed outside Stockcast{before}"
            case "external":
                return f"Version {self.to_version} made champion outside Stockcast{before}"


@dataclass(frozen=True)
class ChampionPeriod:
    """A period in which one version was champion; `until` is None for the current champion."""

    version: int
    since: datetime
    until: datetime | None
    move: Move


def begin_move(
    registry: ModelRegistry,
    action: Action,
    *,
    from_version: int | None,
    to_version: int | None,
    reasons: Sequence[str],
    actor: str,
) -> Move:
    """Write the entry of a move before the alias is set."""
    experiment = ensure_experiment(registry, audit_experiment_name(registry), ABOUT)
    entries = _entries(registry)
    at_ms = registry.now_ms()
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    move = Move("", at, action, from_version, to_version, actor, tuple(reasons), pending=True)
    tags = {
        SEQUENCE_TAG: str(entries[-1][0] + 1 if entries else 1),
        ACTION_TAG: action,
        FROM_TAG: str(from_version or NONE),
        TO_TAG: str(to_version or NONE),
        ACTOR_TAG: actor,
        USER_TAG: actor,
        REASONS_TAG: _pack(reasons),
        NOTE_TAG: "\n".join([f"**{move.sentence}**", "", *(f"- {r}" for r in reasons)])[
            :REASONS_LIMIT
        ],
    }
    with registry.request("writing the audit trail") as client:
        run = client.create_run(experiment, at_ms, tags, run_name=f"{action} {to_version or NONE}")
    return _read(run)


def finish_move(registry: ModelRegistry, move: Move) -> None:
    """Mark a move as finished."""
    with registry.request("writing the audit trail") as client:
        client.set_terminated(move.run_id, "FINISHED", registry.now_ms())


def abandon_move(registry: ModelRegistry, move: Move) -> None:
    """Mark a move as abandoned. It stays visible in MLflow, but is not part of the trail."""
    with registry.request("writing the audit trail") as client:
        client.set_terminated(move.run_id, "KILLED", registry.now_ms())


def read_moves(registry: ModelRegistry) -> tuple[Move, ...]:
    """Return the finished and pending moves in their order, which a clock may not show."""
    return tuple(
        _read(run)
        for _, run in _entries(registry)
        if run.info.status in {"RUNNING", "FINISHED"} and ACTION_TAG in run.data.tags
    )


def champion_periods(moves: Iterable[Move]) -> tuple[ChampionPeriod, ...]:
    """Return the periods of all champions, oldest first.

    A move to the current champion changes nothing; two machines may detect the same external move.
    """
    periods: list[ChampionPeriod] = []
    for move in _champion_moves(moves):
        current = periods[-1] if periods and periods[-1].until is None else None
        if current is not None and current.version == move.to_version:
            continue
        if current is not None:
            periods[-1] = ChampionPeriod(current.version, current.since, move.at, current.move)
        if move.to_version is not None:
            periods.append(ChampionPeriod(move.to_version, move.at, None, move))
    return tuple(periods)


def recorded_champion(moves: Iterable[Move]) -> int | None:
    """Return the current champion according to `moves`, or None."""
    periods = champion_periods(moves)
    return periods[-1].version if periods and periods[-1].until is None else None


def rollback_path(moves: Iterable[Move]) -> tuple[int, ...]:
    """Return the champions that repeated rollbacks go through, the current one last.

    A rollback removes the versions after its target from the path, so the next rollback goes
    further back instead of returning to a version that was rolled back.
    """
    path: list[int] = []
    for move in _champion_moves(moves):
        if move.action == "rollback" and move.to_version in path:
            while path[-1] != move.to_version:
                path.pop()
        elif move.to_version is not None and path[-1:] != [move.to_version]:
            path.append(move.to_version)
    return tuple(path)


def audit_experiment_name(registry: ModelRegistry) -> str:
    """Return the name of the experiment that contains the audit trail."""
    return f"{registry.name}-audit"


def _entries(registry: ModelRegistry) -> list[tuple[int, Run]]:
    """Return every entry with its sequence number, in order; equal numbers in order of time.

    MLflow keeps times in milliseconds, and two moves can have the same. Entries of earlier releases
    have no number; they count in order of time.
    """
    runs = find_runs(registry, audit_experiment_name(registry))
    entries = [
        (int(run.data.tags.get(SEQUENCE_TAG, place)), run)
        for place, run in enumerate(runs, start=1)
    ]
    return sorted(entries, key=lambda entry: entry[0])


def _champion_moves(moves: Iterable[Move]) -> Iterable[Move]:
    """Return the finished moves that set or removed the champion."""
    return (move for move in moves if not move.pending and move.action != "keep")


def _read(run: Run) -> Move:
    tags = run.data.tags
    return Move(
        run_id=run.info.run_id,
        at=datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC),
        action=cast(Action, tags[ACTION_TAG]),
        from_version=_number(tags[FROM_TAG]),
        to_version=_number(tags[TO_TAG]),
        actor=tags[ACTOR_TAG],
        reasons=tuple(json.loads(tags[REASONS_TAG])),
        pending=run.info.status == "RUNNING",
    )


def _number(text: str) -> int | None:
    return None if text == NONE else int(text)


def _pack(reasons: Sequence[str]) -> str:
    """Return the reasons as JSON that fits into a tag; reasons are dropped from the end."""
    kept = list(reasons)
    while len(text := json.dumps(kept, ensure_ascii=False)) > REASONS_LIMIT:
        kept = [*kept[:-2], "(more)"] if len(kept) > 1 else [kept[0][: REASONS_LIMIT // 2]]
    return text
