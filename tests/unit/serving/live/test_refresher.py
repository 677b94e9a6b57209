from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.serving.homes import sample_snapshot, two_exchanges
from support.serving.refresher_setup import RefresherSetup

from serving.http.problems import Problem
from serving.routes.health import read_health
from serving.routes.status import read_status


@pytest.fixture
def setup(tmp_path: Path) -> RefresherSetup:
    return RefresherSetup(tmp_path)


def test_without_a_champion_the_answer_says_how_to_get_one(setup: RefresherSetup) -> None:
    setup.watch.refresh()
    with pytest.raises(Problem, match="stockcast run") as caught:
        setup.desk.require()
    assert (caught.value.status, caught.value.kind) == (503, "no-champion")
    assert read_health(setup.desk, setup.now)["status"] == "unavailable"


def test_without_a_snapshot_the_answer_says_how_to_get_one(setup: RefresherSetup) -> None:
    setup.registry.aliases["champion"] = setup.register(1)
    setup.watch.refresh()
    with pytest.raises(Problem, match=r"none is published.*stockcast run") as caught:
        setup.desk.require()
    assert (caught.value.status, caught.value.kind) == (503, "no-snapshot")
    setup.publish()
    setup.watch.refresh()
    assert setup.live_version == 1
    assert setup.registry.downloads == 1


def test_a_moved_alias_is_swapped_in_at_the_next_look(setup: RefresherSetup) -> None:
    setup.go_live()
    before = setup.desk.live
    setup.registry.aliases["champion"] = setup.register(2)
    setup.watch.refresh()
    assert setup.live_version == 2
    assert before is not None
    assert before.book.model.version == 1  # a request that began before it still answers
    assert setup.desk.ready["/predict/AAPL", b""] is not before.ready["/predict/AAPL", b""]
    assert read_health(setup.desk, setup.now)["status"] == "ok"


def test_nothing_is_computed_while_nothing_changes(setup: RefresherSetup) -> None:
    setup.go_live()
    live = setup.desk.live
    for _ in range(3):
        setup.watch.refresh()
    assert setup.desk.live is live


def test_a_damaged_bundle_is_refused_once_and_the_old_one_goes_on(
    setup: RefresherSetup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.go_live()
    version = setup.register(2)
    graph = setup.registry.folders[version] / "ensemble.onnx"
    graph.write_bytes(graph.read_bytes()[:-64])
    setup.registry.aliases["champion"] = version
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(5):
            setup.watch.refresh()
    assert setup.live_version == 1
    refusals = [r.message for r in caplog.records if "event=champion_refused" in r.message]
    assert len(refusals) == 1
    assert "checksum" in refusals[0]
    assert setup.registry.downloads == 2  # version 1, and the damaged one once
    health = read_health(setup.desk, setup.now)
    assert health["status"] == "degraded"
    assert "Version 1 goes on answering" in health["troubles"][0]["detail"]
    assert read_status(setup.desk)["refused"][0]["version"] == version


def test_a_refusal_ends_when_the_alias_moves_to_a_good_version(setup: RefresherSetup) -> None:
    setup.go_live()
    bad = setup.register(2)
    (setup.registry.folders[bad] / "golden.npz").unlink()
    setup.registry.aliases["champion"] = bad
    setup.watch.refresh()
    setup.registry.aliases["champion"] = setup.register(3)
    setup.watch.refresh()
    assert setup.live_version == 3
    assert read_health(setup.desk, setup.now)["status"] == "ok"


def test_what_a_person_may_repair_is_tried_again_later(
    setup: RefresherSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.go_live()
    setup.registry.aliases["champion"] = setup.register(2)
    loads = []

    def full_disk(version: int, _: Path) -> Path:
        loads.append(version)
        msg = "No space left on device"
        raise OSError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(setup.registry, "download", full_disk)
        setup.watch.refresh()
        setup.watch.refresh()
    assert loads == [2]
    assert setup.live_version == 1
    setup.now += timedelta(seconds=31)
    setup.watch.refresh()
    assert setup.live_version == 2
    assert not setup.desk.refused


def test_while_the_registry_is_down_the_champion_goes_on_and_health_says_since_when(
    setup: RefresherSetup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.go_live()
    setup.registry.down = "connection refused"
    with caplog.at_level(logging.INFO, "stockcast.serving"):
        for _ in range(4):
            setup.watch.refresh()
            setup.now += timedelta(seconds=60)
        health = read_health(setup.desk, setup.now)
        setup.registry.down = None
        setup.watch.refresh()
    assert health["status"] == "degraded"
    assert health["registry"] == "down"
    assert health["troubles"][0]["for_seconds"] == 240
    assert setup.live_version == 1
    told = [record.message for record in caplog.records]
    assert sum("event=trouble " in line for line in told) == 1
    assert any("event=trouble_over topic=registry seconds=240.000" in line for line in told)
    assert read_health(setup.desk, setup.now)["status"] == "ok"


def test_new_data_is_followed_even_while_the_registry_is_down(setup: RefresherSetup) -> None:
    setup.go_live()
    setup.registry.down = "connection refused"
    setup.publish(replace(sample_snapshot(), close=(500.0, 801.0, 202.0, 28.0)))
    setup.watch.refresh()
    assert setup.desk.require().book.forecast("AAPL", 1).current_price == 500.0


def test_an_alias_that_was_removed_leaves_the_champion_live(setup: RefresherSetup) -> None:
    setup.go_live()
    setup.registry.aliases.clear()
    setup.watch.refresh()
    assert setup.live_version == 1
    assert read_health(setup.desk, setup.now)["status"] == "degraded"


def test_a_closed_session_makes_every_answer_one_session_older(setup: RefresherSetup) -> None:
    setup.go_live()
    computed_at = setup.desk.require().book.computed_at
    setup.now = datetime(2013, 3, 4, 21, 0, tzinfo=UTC)  # Monday's close
    setup.watch.refresh()
    book = setup.desk.require().book
    assert book.forecast("AAPL", 1).data_age_sessions == 1
    assert book.computed_at == computed_at
    assert setup.metrics.events == ["champion_swapped 1 0", "session_closed 1 1"]


def test_answers_grow_older_at_the_close_of_each_exchange(setup: RefresherSetup) -> None:
    setup.now = datetime(2012, 12, 27, 12, 0, tzinfo=UTC)
    setup.registry.aliases["champion"] = setup.register(1)
    setup.publish(two_exchanges())
    setup.watch.refresh()

    def ages() -> tuple[int, int]:
        book = setup.desk.require().book
        return tuple(book.forecast(t, 1).data_age_sessions for t in ("AAPL", "AZN.L"))

    assert ages() == (1, 0)
    setup.now = datetime(2012, 12, 27, 17, 0, tzinfo=UTC)  # London closes at 16:30
    setup.watch.refresh()
    assert ages() == (1, 1)
    setup.now = datetime(2012, 12, 27, 21, 0, tzinfo=UTC)
    setup.watch.refresh()
    assert ages() == (2, 1)
    closed = read_status(setup.desk)["snapshot"]["last_closed_sessions"]
    assert closed == {"XNYS": date(2012, 12, 27), "XLON": date(2012, 12, 27)}


def test_a_snapshot_of_other_features_is_not_used(setup: RefresherSetup) -> None:
    setup.go_live()
    setup.register(2)
    snapshot = sample_snapshot()
    names = (*snapshot.feature_names[1:], snapshot.feature_names[0])
    setup.publish(replace(snapshot, feature_names=names))
    setup.watch.refresh()
    assert setup.live_version == 1
    assert setup.desk.require().book.snapshot.feature_names == snapshot.feature_names
    detail = read_health(setup.desk, setup.now)["troubles"][0]["detail"]
    assert "`features`" in detail
    assert "feature_snapshot" in detail


def test_a_snapshot_without_any_forecast_does_not_replace_the_one_that_has(
    setup: RefresherSetup,
) -> None:
    setup.go_live()
    snapshot = sample_snapshot()
    setup.publish(replace(snapshot, windows=np.zeros_like(snapshot.windows)))
    for _ in range(3):
        setup.watch.refresh()
    assert setup.desk.require().book.snapshot.fingerprint == snapshot.fingerprint
    assert read_health(setup.desk, setup.now)["status"] == "degraded"


def test_a_surprise_does_not_end_the_watch(
    setup: RefresherSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.go_live()

    def explode(alias: str) -> int:
        msg = f"nobody foresaw this of {alias}"
        raise KeyError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(setup.registry, "alias_version", explode)
        setup.watch.refresh()
    assert "nobody foresaw" in read_health(setup.desk, setup.now)["troubles"][0]["detail"]
    setup.watch.refresh()
    assert read_health(setup.desk, setup.now)["status"] == "ok"


def test_a_watch_that_hangs_is_a_trouble_of_its_own(setup: RefresherSetup) -> None:
    setup.go_live()
    health = read_health(setup.desk, setup.now + timedelta(minutes=5))
    assert health["status"] == "degraded"
    assert health["last_look_seconds_ago"] == 300


def test_a_version_is_fetched_once_and_old_ones_are_removed(setup: RefresherSetup) -> None:
    versions = [setup.register(seed) for seed in range(1, 7)]
    loaded = [setup.cache.load(version).version for version in versions]
    assert loaded == versions
    setup.cache.load(versions[-1])
    assert setup.registry.downloads == 6
    kept = sorted(path.name.partition("-")[0] for path in (setup.folder / "models").iterdir())
    assert kept == ["3", "4", "5", "6"]


def test_a_start_while_the_registry_is_down_serves_what_was_live_last(
    setup: RefresherSetup,
) -> None:
    setup.go_live(seed=1)
    setup.registry.aliases["champion"] = setup.register(2)
    setup.watch.refresh()
    expected = setup.desk.require().answer("AAPL", 5).content

    restarted = RefresherSetup(setup.folder, registry=setup.registry)
    restarted.registry.down = "connection refused"
    restarted.watch.refresh()
    assert restarted.live_version == 2
    assert restarted.desk.require().answer("AAPL", 5).content == expected
    assert read_health(restarted.desk, restarted.now)["status"] == "degraded"

    restarted.registry.down = None
    restarted.registry.aliases["champion"] = 1
    restarted.watch.refresh()
    assert restarted.live_version == 1
    assert read_health(restarted.desk, restarted.now)["status"] == "ok"


def test_a_damaged_cache_serves_nothing_while_the_registry_is_down(setup: RefresherSetup) -> None:
    setup.go_live()
    for graph in (setup.folder / "models").glob("*/ensemble.onnx"):
        graph.write_bytes(b"no graph")
    restarted = RefresherSetup(setup.folder, registry=setup.registry)
    restarted.registry.down = "connection refused"
    restarted.watch.refresh()
    assert restarted.live_version is None
    with pytest.raises(Problem, match="connection refused"):
        restarted.desk.require()
