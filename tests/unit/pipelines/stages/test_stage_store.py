"""Stages are built once, appear atomically, and are rebuilt when their ingredients change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.pipelines.stages import make_stage
from support.programs import killed_stage

from core.errors import PermanentError
from pipelines.stages import store as stages_module
from pipelines.stages.store import KEPT, Stage, StageStore


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "stages")


def write(content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "content.txt").write_text(content) and None


def never(_: Path) -> None:
    pytest.fail("the stage exists already")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_stage_is_built_once_and_then_reused(store: StageStore) -> None:
    made = store.make("thing", {"size": 1}, write("one"))
    again = store.make("thing", {"size": 1}, never)

    assert (made.reused, again.reused) == (False, True)
    assert (again.key, again.path) == (made.key, made.path)
    assert (again.path / "content.txt").read_text() == "one"


def test_the_values_of_ingredients_matter_and_their_order_does_not(store: StageStore) -> None:
    first = store.make("thing", {"size": 1, "shape": "round"}, write("one"))

    assert store.make("thing", {"shape": "round", "size": 1}, never).key == first.key
    assert store.make("thing", {"size": 2, "shape": "round"}, write("two")).key != first.key


def test_a_stage_depends_on_its_upstream_stages(store: StageStore) -> None:
    sources = [store.make("source", {"n": n}, write(str(n))) for n in range(2)]
    made = [store.make("thing", {}, write("x"), upstream=[source]) for source in sources]

    assert made[0].key != made[1].key
    assert [stage.upstream("source").key for stage in made] == [s.key for s in sources]


def test_a_stage_finds_indirect_upstream_stages(store: StageStore) -> None:
    bars = store.make("bars", {}, write("bars"))
    table = store.make("table", {}, write("table"), upstream=[bars])
    model = store.make("model", {}, write("model"), upstream=[table])

    assert (model.upstream("bars").path / "content.txt").read_text() == "bars"


def test_a_removed_upstream_stage_is_named(store: StageStore) -> None:
    bars = store.make("bars", {}, write("bars"))
    table = store.make("table", {}, write("table"), upstream=[bars])
    (bars.path / "content.txt").unlink()
    (bars.path / "lineage.json").unlink()
    bars.path.rmdir()

    with pytest.raises(
        PermanentError, match="`bars` stage that has been removed; materialise `bars` again"
    ):
        table.upstream("bars")


def test_a_stage_depends_on_its_code(store: StageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.make("thing", {}, write("old"))
    monkeypatch.setattr(stages_module, "code_version_of", lambda _: "edited")

    after = store.make("thing", {}, write("new"))

    assert after.key != before.key
    assert (after.path / "content.txt").read_text() == "new"


def test_a_stage_is_not_visible_while_it_is_built(store: StageStore) -> None:
    def build(folder: Path) -> None:
        (folder / "half.txt").touch()
        visible = [name for name in names_in(folder.parent) if not name.startswith(".")]
        assert visible == []
        assert folder.parent.parent == store.root

    stage = store.make("thing", {}, build)

    assert names_in(stage.path.parent) == {stage.key}


def test_a_failed_build_leaves_nothing_and_can_be_repeated(store: StageStore) -> None:
    def fail(folder: Path) -> None:
        (folder / "half.txt").touch()
        msg = "no luck"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="no luck"):
        store.make("thing", {}, fail)

    assert names_in(store.root / "thing") == set()
    assert not store.make("thing", {}, write("whole")).reused


def test_the_draft_of_a_killed_build_is_not_used_and_is_removed(tmp_path: Path) -> None:
    command = [sys.executable, killed_stage.__file__, str(tmp_path)]
    killed = subprocess.run(command, check=False, timeout=60, capture_output=True)
    assert killed.returncode == -9
    (left,) = names_in(tmp_path / "thing")
    assert left.startswith(".")

    stage = StageStore(tmp_path).make("thing", {"size": 1}, write("whole"))

    assert not stage.reused
    assert names_in(tmp_path / "thing") == {stage.key}
    assert names_in(stage.path) == {"content.txt", "lineage.json"}


def test_the_draft_of_another_running_build_is_kept(store: StageStore) -> None:
    def build_while_another_starts(folder: Path) -> None:
        (folder / "mine.txt").touch()
        store.make("thing", {"size": 2}, write("other"))
        assert (folder / "mine.txt").exists()

    assert not store.make("thing", {"size": 1}, build_while_another_starts).reused


def test_two_runs_that_build_the_same_stage_end_with_one(store: StageStore) -> None:
    def lose_the_race(folder: Path) -> None:
        (folder / "content.txt").write_text("slow")
        store.make("thing", {}, write("fast"))

    stage = store.make("thing", {}, lose_the_race)

    assert (stage.path / "content.txt").read_text() == "fast"
    assert names_in(stage.path.parent) == {stage.key}


def test_the_least_recently_used_stages_are_removed(store: StageStore) -> None:
    made = [store.make("thing", {"n": n}, write(str(n))) for n in range(KEPT)]
    for age, stage in enumerate(made):
        os.utime(stage.path, (1e9 + age, 1e9 + age))
    store.make("thing", {"n": 0}, never)  # now the second stage is the least recently used

    newest = store.make("thing", {"n": KEPT}, write("newest"))

    expected = {stage.key for stage in made} - {made[1].key} | {newest.key}
    assert names_in(newest.path.parent) == expected


def test_the_number_of_kept_stages_can_be_raised(store: StageStore) -> None:
    n = KEPT + 5
    made = [store.make("fold", {"n": n}, write(str(n)), kept=n + 1) for n in range(KEPT, KEPT + n)]

    assert all(stage.path.is_dir() for stage in made)


def test_an_asset_passes_its_stage_to_the_next_asset(store: StageStore) -> None:
    @dg.asset
    def front() -> dg.MaterializeResult[Stage]:
        return dg.MaterializeResult(value=store.make("front", {}, write("passed on")))

    @dg.asset
    def behind(front: Stage) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"got": (front.path / "content.txt").read_text()})

    result = dg.materialize([front, behind], resources={"io_manager": store})

    (event,) = result.asset_materializations_for_node("behind")
    assert event.metadata["got"].value == "passed on"
    (event,) = result.asset_materializations_for_node("front")
    assert event.metadata["reused"].value is False
    assert store.newest(dg.AssetKey("front")).key == store.make("front", {}, never).key


@pytest.mark.parametrize("made", [False, True])
def test_a_missing_stage_names_the_asset_to_materialise(
    store: StageStore,
    made: bool,  # noqa: FBT001
) -> None:
    if made:
        pointer = store.root / "newest" / "feature_table.json"
        pointer.parent.mkdir(parents=True)
        pointer.write_text('{"stage": "feature_table", "key": "cleared-away"}')

    with pytest.raises(PermanentError, match="materialise `feature_table` first"):
        store.newest(dg.AssetKey("feature_table"))


def test_tables_and_documents_round_trip(tmp_path: Path) -> None:
    table = pl.DataFrame({"ticker": ["AAPL"], "close": [1.5]})
    stage = make_stage(tmp_path, "thing", frames={"bars": table}, documents={"about": {"n": 1}})

    assert stage.frame("bars").equals(table)
    assert stage.document("about") == {"n": 1}
    assert stage.data_version.value == stage.key[:16]
