from __future__ import annotations

from pathlib import Path

import pytest
from support.desks import Bench

from serving.live.challenger import ChallengerCache


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.go_live()
    return bench


def make_challenger(bench: Bench, *, poll_seconds: float = 0.0) -> ChallengerCache:
    return ChallengerCache(bench.registry, bench.cache, bench.feed, poll_seconds=poll_seconds)  # type: ignore[arg-type]


def test_without_a_challenger_the_note_says_so(bench: Bench) -> None:
    challenge = make_challenger(bench).look()
    assert challenge.book is None
    assert challenge.note == "No challenger is set."


def test_a_challenger_is_loaded_when_first_looked_at_and_then_kept(bench: Bench) -> None:
    bench.registry.aliases["challenger"] = bench.register(2)
    challenger = make_challenger(bench)
    assert bench.registry.downloads == 1
    first = challenger.look().book
    assert first is not None
    assert first.model.version == 2
    assert challenger.look().book is first
    assert bench.registry.downloads == 2


def test_another_challenger_takes_its_place(bench: Bench) -> None:
    challenger = make_challenger(bench)
    for seed in (2, 3):
        version = bench.register(seed)
        bench.registry.aliases["challenger"] = version
        book = challenger.look().book
        assert book is not None
        assert book.model.version == version


def test_the_registry_is_asked_at_most_once_a_poll(bench: Bench) -> None:
    challenger = make_challenger(bench, poll_seconds=60)
    challenger.look()
    bench.registry.aliases["challenger"] = bench.register(2)
    assert challenger.look().book is None


def test_a_challenger_that_cannot_be_shown_says_why(bench: Bench) -> None:
    bench.registry.aliases["challenger"] = 99
    note = make_challenger(bench).look().note
    assert note is not None
    assert "no version 99" in note
