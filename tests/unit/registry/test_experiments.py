"""Experiments of the registry are created once, and restored when a person deletes them."""

from __future__ import annotations

from pathlib import Path

from support.registry.databases import copy_empty_database

from registry.experiments import ensure_experiment
from registry.versions import ModelRegistry


def test_an_experiment_that_was_deleted_in_the_pages_is_used_again(tmp_path: Path) -> None:
    copy_empty_database(tmp_path / "mlflow.db")
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", "stockcast", tmp_path)
    created = ensure_experiment(registry, "stockcast-training", "note")
    registry.client.delete_experiment(created)

    assert ensure_experiment(registry, "stockcast-training", "note") == created
    assert registry.client.get_experiment(created).lifecycle_stage == "active"
