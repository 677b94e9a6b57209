"""The registry on each of its stores: a SQLite file, PostgreSQL, and an MLflow server over HTTP."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

import pytest
from support.registry.candidates import candidate, champion_of, log_versions, runs_by_status

from core.errors import BundleError, RegistryError
from forecasting.bundle.bundle import Bundle
from registry.promotion.aliases import (
    apply_decision,
    keep_as_challenger,
    promote,
    reconcile,
    rollback,
)
from registry.promotion.audit import champion_periods, read_moves
from registry.promotion.gates import Decision
from registry.promotion.reasons import Reason
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session", params=["sqlite", "postgres", "server"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path | None]:
    """Return an address, and the folder of artefacts if the store needs one."""
    folder = tmp_path_factory.mktemp("registry store")
    match request.param:
        case "sqlite":
            return f"sqlite:///{folder / 'mlflow.db'}", None
        case "postgres":
            return request.getfixturevalue("postgres_address"), folder
        case _:
            return request.getfixturevalue("mlflow_address"), None


@pytest.fixture
def registry(store: tuple[str, Path | None]) -> ModelRegistry:
    """Return a registry with a new model name, because tests share the stores."""
    address, root = store
    return ModelRegistry(address, f"model-{uuid.uuid4().hex[:8]}", root)


def test_a_candidate_becomes_a_run_and_a_version(registry: ModelRegistry, tmp_path: Path) -> None:
    evaluation, plot = tmp_path / "evaluation.json", tmp_path / "fan.png"
    evaluation.write_text('{"crps": 0.008}')
    plot.write_bytes(b"png")
    record = candidate(
        tmp_path,
        params={"lookback": 20, "seed": 7},
        metrics=[("crps/1d", 0.009, 1), ("crps/1d", 0.008, 2), ("undefined", None, 1)],
        plots={"forecast_fan": plot},
        files={"evaluation.json": evaluation},
        tags={"dagster.run_id": "abc-123"},
    )
    info = log_candidate(registry, record)

    bundle = Bundle.load(record.bundle_dir)
    assert (info.version, info.aliases, info.cutoff) == (1, (), date(2012, 12, 31))
    assert info.fingerprint == bundle.fingerprint
    assert info.tags["dagster.run_id"] == "abc-123"
    assert "**Trained through 2012-12-31** on 3 bars" in info.description
    run = registry.client.get_run(info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"lookback": "20", "seed": "7"}
    history = registry.client.get_metric_history(info.run_id, "crps/1d")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.009), (2, 0.008)]
    assert "undefined" not in run.data.metrics
    assert run.data.tags["stockcast.data_fingerprint"] == "d" * 64
    assert run.data.tags["stockcast.code_version"] == "test"
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("sample", "d" * 36)
    assert '"num_rows": 3' in dataset.dataset.profile
    plots = registry.client.list_artifacts(info.run_id, "plots")
    assert [entry.path for entry in plots] == ["plots/forecast_fan.png"]
    fetched = registry.download_evidence(1, "evaluation.json", tmp_path / "fetched")
    assert fetched.read_text() == evaluation.read_text()
    with pytest.raises(
        RegistryError, match=r"no evidence file 'report.html'; it has evaluation.json"
    ):
        registry.download_evidence(1, "report.html", tmp_path)


def test_the_same_bundle_is_registered_once(registry: ModelRegistry, tmp_path: Path) -> None:
    first = log_candidate(registry, candidate(tmp_path))
    assert log_candidate(registry, candidate(tmp_path)) == first
    assert runs_by_status(registry) == ["FINISHED"]


def test_a_downloaded_bundle_equals_the_registered_one(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 2)
    for version in (1, 2):
        fetched = registry.download(version, tmp_path / "live" / "bundle")
        assert Bundle.load(fetched).fingerprint == registry.get(version).fingerprint
    assert [path.name for path in (tmp_path / "live").iterdir()] == ["bundle"]


def test_a_bundle_that_was_changed_is_not_downloaded(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 1)
    registry.set_tags(1, {"stockcast.bundle_fingerprint": "0" * 64})
    with pytest.raises(BundleError, match=r"not the one that was registered.*rollback"):
        registry.download(1, tmp_path / "live")
    assert not (tmp_path / "live").exists()


def test_an_unknown_version_or_alias_is_named_with_the_existing_ones(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 2)
    promote(registry, 1, "first", "ann")
    with pytest.raises(RegistryError, match=r"no version 9. It has 2, 1 \(champion\)"):
        registry.get(9)
    with pytest.raises(RegistryError, match="no alias 'challenger'"):
        registry.get("challenger")
    assert registry.alias_version("challenger") is None
    assert registry.get("champion").version == 1


def test_a_promotion_is_recorded_in_alias_tags_description_and_audit_trail(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 1)
    decision = Decision(promote=True, reasons=(Reason("golden", True, "Golden vectors hold"),))  # noqa: FBT003
    apply_decision(registry, 1, decision, "pipeline")
    info = registry.get("champion")
    assert info.version == champion_of(registry) == 1
    assert info.tags["stockcast.decision"] == "promote"
    assert info.tags["stockcast.decided_by"] == "pipeline"
    assert info.tags["stockcast.decision_reasons"] == "Golden vectors hold"
    assert "Version 1 promoted to champion" in info.description
    (move,) = read_moves(registry)
    assert (move.action, move.from_version, move.to_version) == ("promote", None, 1)
    assert (move.actor, move.reasons) == ("pipeline", ("Golden vectors hold",))
    assert apply_decision(registry, 1, decision, "pipeline") is None
    assert len(read_moves(registry)) == 1


def test_a_kept_version_becomes_challenger_and_the_champion_stays(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 2)
    promote(registry, 1, "first", "pipeline")
    decision = Decision(promote=False, reasons=(Reason("champion_1d", False, "worse"),))  # noqa: FBT003
    apply_decision(registry, 2, decision, "pipeline")
    assert champion_of(registry) == 1
    assert registry.get("challenger").version == 2
    assert "Version 2 kept as challenger" in registry.get(2).description
    assert apply_decision(registry, 2, decision, "pipeline") is None
    assert len(read_moves(registry)) == 2
    with pytest.raises(RegistryError, match="cannot be its own challenger"):
        keep_as_challenger(registry, 1, "no", "ann")
    promote(registry, 2, "better now", "ann")
    assert registry.get(2).aliases == ("champion",)


def test_rollbacks_go_back_and_do_not_return(registry: ModelRegistry, tmp_path: Path) -> None:
    log_versions(registry, tmp_path, 3)
    for version in (1, 2, 3):
        promote(registry, version, "better", "pipeline")
    assert rollback(registry, "bad opens", "ann").to_version == 2
    assert champion_of(registry) == 2
    assert registry.get(3).withdrawal_reason == "bad opens"
    assert "Rolled back to version 2, previously version 3" in registry.get(3).description
    assert rollback(registry, "worse still", "ann").to_version == 1
    with pytest.raises(RegistryError, match=r"no earlier version.*version 1 is champion.*promote"):
        rollback(registry, "once more", "ann")
    assert champion_of(registry) == 1
    promote(registry, 3, "the opens are right", "ann")
    assert registry.get(3).withdrawal_reason is None
    assert rollback(registry, "no, they are not", "ann").to_version == 1
    assert [t.version for t in champion_periods(read_moves(registry))] == [1, 2, 3, 2, 1, 3, 1]


def test_moves_made_in_the_mlflow_ui_are_detected_once(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 2)
    promote(registry, 1, "first", "pipeline")
    registry.client.set_registered_model_alias(registry.name, "champion", "2")
    (move,) = reconcile(registry)
    assert (move.action, move.from_version, move.to_version) == ("external", 1, 2)
    assert reconcile(registry) == ()
    assert champion_of(registry) == 2
    assert "made champion outside Stockcast" in registry.get(2).description
    registry.client.delete_registered_model_alias(registry.name, "champion")
    (move,) = reconcile(registry)
    assert move.to_version is None
    assert rollback(registry, "the alias was removed", "ann").to_version == 2
    assert rollback(registry, "and before", "ann").to_version == 1


def test_many_long_reasons_fit(registry: ModelRegistry, tmp_path: Path) -> None:
    log_versions(registry, tmp_path, 1)
    promote(registry, 1, [f"reason {i} " + "with its numbers " * 20 for i in range(60)], "pipeline")
    (move,) = read_moves(registry)
    assert move.reasons[0].startswith("reason 0")
    assert move.reasons[-1] == "(more)"
    assert len(registry.get(1).description) <= 5000
