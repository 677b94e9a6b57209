from __future__ import annotations

from pathlib import Path

import pytest
from support.serving.refresher_setup import RefresherSetup

from serving.live.challenger import ChallengerCache


@pytest.fixture
def setup(tmp_path: Path) -> RefresherSetup:
    setup = RefresherSetup(tmp_path)
    setup.go_live()
    return setup


def make_challenger(setup: RefresherSetup, *, poll_seconds: float = 0.0) -> ChallengerCache:
    return ChallengerCache(setup.registry, setup.cache, setup.feed, poll_seconds=poll_seconds)  # type: ignore[arg-type]


def test_without_a_challenger_the_note_says_so(setup: RefresherSetup) -> None:
    challenge = make_challenger(setup).look()
    assert challenge.book is None
    assert challenge.note == "No challenger is set."


def test_a_challenger_is_loaded_when_first_looked_at_and_then_kept(setup: RefresherSetup) -> None:
    setup.registry.aliases["challenger"] = setup.register(2)
    challenger = make_challenger(setup)
    assert setup.registry.downloads == 1
    first = challenger.look().book
    assert first is not None
    assert first.model.version == 2
    assert challenger.look().book is first
    assert setup.registry.downloads == 2


def test_another_challenger_takes_its_place(setup: RefresherSetup) -> None:
    challenger = make_challenger(setup)
    for seed in (2, 3):
        version = setup.register(seed)
        setup.registry.aliases["challenger"] = version
        book = challenger.look().book
        assert book is not None
        assert book.model.version == version


def test_the_registry_is_asked_at_most_once_a_poll(setup: RefresherSetup) -> None:
    challenger = make_challenger(setup, poll_seconds=60)
    challenger.look()
    setup.registry.aliases["challenger"] = setup.register(2)
    assert challenger.look().book is None


def test_a_challenger_that_cannot_be_shown_says_why(setup: RefresherSetup) -> None:
    setup.registry.aliases["challenger"] = 99
    note = make_challenger(setup).look().note
    assert note is not None
    assert "no version 99" in note
