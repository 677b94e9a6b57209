"""The registry recovers from killed processes, failures and concurrent writers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from support.clocks.moving_clock import MovingClock
from support.registry.candidates import candidate, champion_of, log_versions, runs_by_status
from support.registry.databases import copy_empty_database

from core.errors import BundleError, RegistryDownError, RegistryError
from registry.experiments import find_runs
from registry.promotion import aliases
from registry.promotion.aliases import keep_as_challenger, promote, reconcile, rollback
from registry.promotion.audit import read_moves
from registry.publishing import runs
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """The end of the process, which no handler may catch."""


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return one SQLite file for all tests, because creating its tables takes seconds."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    copy_empty_database(path)
    return f"sqlite:///{path}"


@pytest.fixture
def registry(address: str) -> ModelRegistry:
    """Return a registry with a new model name."""
    return ModelRegistry(address, f"model-{uuid.uuid4().hex[:8]}")


def die(*_: object, **__: object) -> None:
    raise Killed


def test_two_machines_that_register_the_same_bundle_leave_one_version(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_candidate(registry, candidate(tmp_path))
    search, first_results = ModelRegistry.with_fingerprint, [()]
    monkeypatch.setattr(
        ModelRegistry,
        "with_fingerprint",
        lambda self, text: first_results.pop() if first_results else search(self, text),
    )
    assert log_candidate(registry, candidate(tmp_path)).version == 1
    assert [info.version for info in registry.list()] == [1]


def test_a_failure_while_logging_leaves_a_failed_run_and_no_version(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    record = candidate(tmp_path, files={"evaluation.json": tmp_path / "missing.json"})
    with pytest.raises(RegistryError, match=r"missing\.json"):
        log_candidate(registry, record)
    assert runs_by_status(registry) == ["FAILED"]
    assert registry.list() == ()
    assert log_candidate(registry, candidate(tmp_path)).version == 1
    assert runs_by_status(registry) == ["FAILED", "FINISHED"]


@pytest.mark.parametrize("step", ["log_model_artifacts", "create_model_version"])
def test_a_kill_while_logging_is_repaired_by_the_next_call(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(registry.client), step, die)
        patch.setattr(runs, "_close_failed", lambda *_: None)
        with pytest.raises(Killed):
            log_candidate(registry, candidate(tmp_path))
    assert runs_by_status(registry) == ["RUNNING"]

    log_candidate(registry, candidate(tmp_path))
    assert [info.version for info in registry.list()] == [1]
    assert runs_by_status(registry) == ["FAILED", "FINISHED"]
    experiment = registry.client.get_experiment_by_name(registry.name)
    assert experiment is not None
    models = registry.client.search_logged_models([experiment.experiment_id])
    assert "PENDING" not in {str(model.status) for model in models}


def test_a_damaged_bundle_is_rejected_before_anything_is_written(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    record = candidate(tmp_path)
    (record.bundle_dir / "ensemble.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        log_candidate(registry, record)
    assert runs_by_status(registry) == []


@pytest.mark.parametrize(
    ("action", "step"),
    [
        ("promote", "set_registered_model_alias"),
        ("promote", "set_model_version_tag"),
        ("promote", "finish_move"),
        ("keep", "set_model_version_tag"),
        ("rollback", "set_registered_model_alias"),
        ("rollback", "update_model_version"),
    ],
)
def test_a_kill_between_the_writes_of_a_move_is_repaired(
    registry: ModelRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    step: str,
) -> None:
    log_versions(registry, tmp_path, 3)
    promote(registry, 1, "first", "pipeline")
    promote(registry, 2, "second", "pipeline")
    move = {
        "promote": lambda: promote(registry, 3, "third", "ann"),
        "keep": lambda: keep_as_challenger(registry, 3, "third", "ann"),
        "rollback": lambda: rollback(registry, "back", "ann"),
    }[action]

    with monkeypatch.context() as patch:
        where = aliases if step == "finish_move" else type(registry.client)
        patch.setattr(where, step, die)
        with pytest.raises(Killed):
            move()

    before = registry.alias_version("champion"), registry.alias_version("challenger")
    assert len(reconcile(registry)) == 1
    assert reconcile(registry) == ()
    assert (registry.alias_version("champion"), registry.alias_version("challenger")) == before
    made = step != "set_registered_model_alias"
    assert len(read_moves(registry)) == (3 if made else 2)
    target = {"promote": 3, "keep": 3, "rollback": 1}[action]
    assert (registry.get(target).tags.get("stockcast.decision") == action) == made
    assert (registry.get(2).withdrawal_reason == "back") == (made and action == "rollback")

    # Another rollback would go one version further back.
    if not (action == "rollback" and made):
        move()
    assert champion_of(registry) == {"promote": 3, "keep": 2, "rollback": 1}[action]


def test_a_move_without_a_reason_is_rejected(registry: ModelRegistry, tmp_path: Path) -> None:
    log_versions(registry, tmp_path, 1)
    with pytest.raises(RegistryError, match="`reason` must not be empty"):
        promote(registry, 1, "  ", "ann")
    assert registry.alias_version("champion") is None


def test_an_error_of_mlflow_is_raised_as_an_error_of_stockcast(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "database is locked"
        raise MlflowException(message)

    monkeypatch.setattr(type(registry.client), "get_model_version_by_alias", fail)
    with pytest.raises(RegistryDownError, match="database is locked"):
        registry.alias_version("champion")


def test_runs_and_moves_are_dated_by_the_clock_of_the_registry(
    address: str, tmp_path: Path
) -> None:
    clock = MovingClock(datetime(2012, 6, 1, 22, tzinfo=UTC))
    registry = ModelRegistry(address, f"model-{uuid.uuid4().hex[:8]}", clock=clock)
    log_candidate(registry, candidate(tmp_path))
    clock.advance(hours=1)
    move = promote(registry, 1, "Tried out.", actor="ann")

    (run,) = find_runs(registry, registry.name)
    assert run.info.start_time == run.info.end_time == 1_338_588_000_000
    assert move is not None
    assert move.at == datetime(2012, 6, 1, 23, tzinfo=UTC)


def test_a_rollback_skips_a_deleted_version(registry: ModelRegistry, tmp_path: Path) -> None:
    log_versions(registry, tmp_path, 3)
    for version in (1, 2, 3):
        promote(registry, version, "better", "pipeline")
    registry.client.delete_model_version(registry.name, "2")
    assert rollback(registry, "bad", "ann").to_version == 1


def test_a_bundle_that_was_downloaded_is_not_downloaded_again(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    log_versions(registry, tmp_path, 1)
    fetched = registry.download(1, tmp_path / "live")
    before = (fetched / "ensemble.onnx").stat()
    assert (registry.download(1, tmp_path / "live") / "ensemble.onnx").stat() == before


def test_a_process_killed_before_registration_leaves_only_a_failed_run(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    candidate(tmp_path)
    script = f"""
        import os, signal
        from pathlib import Path
        from mlflow import MlflowClient
        from registry.publishing.candidates import log_candidate
        from registry.versions import ModelRegistry
        from support.registry.candidates import candidate, champion_of, runs_by_status

        MlflowClient.create_model_version = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        registry = ModelRegistry({registry.tracking_uri!r}, {registry.name!r})
        log_candidate(registry, candidate(Path({str(tmp_path)!r})))
    """
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tests,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()
    assert runs_by_status(registry) == ["RUNNING"]
    assert log_candidate(registry, candidate(tmp_path)).version == 1
    assert runs_by_status(registry) == ["FAILED", "FINISHED"]
