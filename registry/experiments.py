"""MLflow experiments of a model: one for its training runs, one for its audit trail.

The contents of the runs are written by `registry.publishing.candidates` and
`registry.promotion.audit`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry.addresses import SERVERS, scheme_of, sqlite_file
from registry.client import error_code
from registry.names import NOTE_TAG
from registry.relocation import ARTIFACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from registry.versions import ModelRegistry

PAGE = 1000


def ensure_experiment(registry: ModelRegistry, name: str, note: str) -> str:
    """Return the id of the experiment `name`; create a missing one, restore a deleted one."""
    with registry.request(f"opening the experiment {name!r}") as client:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return _create(client, name, note, _artifact_root(registry))
        if experiment.lifecycle_stage != "active":
            client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)


def find_runs(registry: ModelRegistry, name: str, condition: str = "") -> list[Run]:
    """Return the runs of the experiment `name` that match `condition`, oldest first."""
    with registry.request(f"reading the experiment {name!r}") as client:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return []
        runs: list[Run] = []
        token: str | None = None
        while token is None or token:
            page = client.search_runs(
                [experiment.experiment_id],
                filter_string=condition,
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            token = page.token or ""
        return runs


def _create(client: MlflowClient, name: str, note: str, root: Path | None) -> str:
    location = None if root is None else str(root / name)
    try:
        return str(client.create_experiment(name, location, tags={NOTE_TAG: note}))
    except Exception as error:
        # Another process may have created the experiment meanwhile.
        experiment = client.get_experiment_by_name(name)
        if error_code(error) == "RESOURCE_ALREADY_EXISTS" and experiment is not None:
            return str(experiment.experiment_id)
        raise


def _artifact_root(registry: ModelRegistry) -> Path | None:
    """Return the folder of artefacts, or None where the MLflow server decides.

    Without it, MLflow would store the artefacts of a database in the working directory.
    """
    if scheme_of(registry.tracking_uri) in SERVERS:
        return None
    path = sqlite_file(registry.tracking_uri)
    if registry.artifact_root is not None:
        return registry.artifact_root.absolute()
    return (path.parent if path else Path.cwd() / "mlflow") / ARTIFACTS
