"""MLflow runs: opening, logging values, and closing, also after a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import StockcastError
from registry.experiments import find_runs
from registry.names import FINGERPRINT_TAG, REPORT_PATH

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from registry.versions import ModelRegistry

# Logging takes seconds, so the process of a run that is open for an hour has died.
ABANDONED_MS = 3_600_000
# Limits of MLflow for one request.
PARAMS_AT_ONCE, METRICS_AT_ONCE = 100, 900


@contextmanager
def open_run(
    registry: ModelRegistry, experiment: str, name: str, tags: Mapping[str, str]
) -> Iterator[str]:
    """Yield the id of a new run, which ends as finished, or as failed if the body raises."""
    with registry.request("opening a run") as client:
        run = client.create_run(experiment, registry.now_ms(), dict(tags), run_name=name)
    try:
        yield run.info.run_id
    except BaseException:
        # The first error is raised. If closing fails too, the next call closes the run.
        with suppress(StockcastError):
            _close_failed(registry, run)
        raise
    with registry.request("finishing a run") as client:
        client.set_terminated(run.info.run_id, "FINISHED", registry.now_ms())


def close_abandoned_runs(registry: ModelRegistry, fingerprint: str) -> None:
    """Mark runs of killed processes as failed: open runs of this bundle, and old open runs."""
    now = registry.now_ms()
    for run in find_runs(registry, registry.name, "attributes.status = 'RUNNING'"):
        same = run.data.tags.get(FINGERPRINT_TAG) == fingerprint
        if same or now - run.info.start_time > ABANDONED_MS:
            _close_failed(registry, run)


def log_report_page(registry: ModelRegistry, run_id: str, page: Path) -> str:
    """Log the report page of a run, which MLflow then shows; return its path in the artefacts."""
    with registry.request(f"logging the report page of run {run_id}") as client:
        client.log_artifact(run_id, str(page), REPORT_PATH)
    return f"{REPORT_PATH}/{page.name}"


def log_values(
    client: MlflowClient,
    run_id: str,
    params: Mapping[str, object],
    metrics: Sequence[tuple[str, float | None, int]],
    model_id: str,
    *,
    at_ms: int,
) -> None:
    """Log parameters, and metrics of run and model; skip metrics without a value."""
    from mlflow.entities import Metric, Param  # noqa: PLC0415  takes seconds

    parameters = [Param(key, str(value)) for key, value in params.items()]
    for start in range(0, len(parameters), PARAMS_AT_ONCE):
        client.log_batch(run_id, params=parameters[start : start + PARAMS_AT_ONCE])
    logged = [
        Metric(name, float(value), at_ms, step, model_id)
        for name, value, step in metrics
        if value is not None
    ]
    for start in range(0, len(logged), METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=logged[start : start + METRICS_AT_ONCE])


def _close_failed(registry: ModelRegistry, run: Run) -> None:
    with registry.request("closing a failed run") as client:
        client.set_terminated(run.info.run_id, "FAILED", registry.now_ms())
        of_run = f"source_run_id = '{run.info.run_id}'"
        for model in client.search_logged_models([run.info.experiment_id], of_run):
            if str(model.status) == "PENDING":
                client.finalize_logged_model(model.model_id, "FAILED")
