"""Entries of the audit trail on SQLite: what is written, and what is read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.clocks.moving_clock import MovingClock

from registry.promotion.audit import (
    Action,
    Move,
    abandon_move,
    begin_move,
    finish_move,
    read_moves,
)
from registry.versions import ModelRegistry


@pytest.fixture
def clock() -> MovingClock:
    """Return a clock that stands still, in place of the ticking one."""
    return MovingClock(datetime(2013, 3, 1, 22, tzinfo=UTC))


def begin(
    registry: ModelRegistry,
    action: Action = "promote",
    versions: tuple[int | None, int | None] = (1, 2),
    reasons: tuple[str, ...] = ("better", "tested"),
) -> Move:
    return begin_move(
        registry,
        action,
        from_version=versions[0],
        to_version=versions[1],
        reasons=reasons,
        actor="ann",
    )


def test_an_entry_is_pending_until_it_is_finished(
    registry: ModelRegistry, clock: MovingClock
) -> None:
    started = clock.now()
    move = begin(registry)
    expected = Move(
        move.run_id, started, "promote", 1, 2, "ann", ("better", "tested"), pending=True
    )
    assert move == expected
    assert read_moves(registry) == (expected,)
    clock.advance(seconds=5)
    finish_move(registry, move)
    [finished] = read_moves(registry)
    assert (finished.pending, finished.at) == (False, started)
    run = registry.client.get_run(move.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", registry.now_ms())


def test_an_abandoned_entry_is_not_read(registry: ModelRegistry) -> None:
    move = begin(registry)
    abandon_move(registry, move)
    assert read_moves(registry) == ()
    run = registry.client.get_run(move.run_id)
    assert (run.info.status, run.info.end_time) == ("KILLED", registry.now_ms())


def test_entries_are_read_in_the_order_of_writing_when_a_clock_is_set_back(
    registry: ModelRegistry, clock: MovingClock
) -> None:
    for version, hours in ((3, 2), (1, -5), (2, 1)):
        clock.set_wall(clock.now() + timedelta(hours=hours))
        begin(registry, versions=(None, version))
    assert [move.to_version for move in read_moves(registry)] == [3, 1, 2]


def test_a_missing_version_is_read_back_as_none(registry: ModelRegistry) -> None:
    begin(registry, "external", (7, None))
    begin(registry, "promote", (None, 7))
    moves = read_moves(registry)
    assert {(m.from_version, m.to_version) for m in moves} == {(7, None), (None, 7)}


def test_an_entry_is_readable_in_mlflow(registry: ModelRegistry) -> None:
    run = registry.client.get_run(begin(registry).run_id)
    assert run.info.run_name == "promote 2"
    assert run.data.tags["mlflow.user"] == "ann"
    assert run.data.tags["mlflow.note.content"] == (
        "**Version 2 promoted to champion, previously version 1**\n\n- better\n- tested"
    )
    experiment = registry.client.get_experiment(run.info.experiment_id)
    assert experiment.name == "stockcast-audit"
    assert "One run per move" in experiment.tags["mlflow.note.content"]
    removed = registry.client.get_run(begin(registry, "external", (1, None)).run_id)
    assert removed.info.run_name == "external none"


def test_other_runs_of_the_experiment_are_not_read(registry: ModelRegistry) -> None:
    move = begin(registry)
    experiment = registry.client.get_run(move.run_id).info.experiment_id
    registry.client.create_run(experiment, tags={"by": "hand"})
    assert read_moves(registry) == (move,)


def test_a_trail_without_experiment_is_empty(registry: ModelRegistry) -> None:
    assert read_moves(registry) == ()


def test_many_reasons_are_cut_at_the_end_with_a_note(registry: ModelRegistry) -> None:
    reasons = tuple(f"{i:03} " + "ü" * 96 for i in range(90))
    begin(registry, reasons=reasons)
    [move] = read_moves(registry)
    assert move.reasons[-1] == "(more)"
    kept = move.reasons[:-1]
    assert kept == reasons[: len(kept)]
    # JSON needs 104 characters for a reason, and 10 for the note: 72 reasons fit into 7500.
    assert len(kept) == 72
    note = registry.client.get_run(move.run_id).data.tags["mlflow.note.content"]
    assert len(note) == 7500


def test_a_single_long_reason_is_cut(registry: ModelRegistry) -> None:
    begin(registry, reasons=("x" * 9000,))
    assert read_moves(registry)[0].reasons == ("x" * 3750,)


@pytest.mark.parametrize(
    ("action", "versions", "sentence"),
    [
        ("promote", (None, 2), "Version 2 promoted to champion"),
        ("promote", (1, 2), "Version 2 promoted to champion, previously version 1"),
        ("keep", (1, 2), "Version 2 kept as challenger"),
        ("rollback", (2, 1), "Rolled back to version 1, previously version 2"),
        ("external", (2, None), "Champion removed outside Stockcast, previously version 2"),
        ("external", (None, 2), "Version 2 made champion outside Stockcast"),
    ],
)
def test_a_sentence_describes_each_move(
    clock: MovingClock, action: Action, versions: tuple[int | None, int | None], sentence: str
) -> None:
    assert Move("", clock.now(), action, *versions, "ann", ()).sentence == sentence
