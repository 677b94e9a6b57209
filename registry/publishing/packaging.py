"""Packaging of a bundle as an MLflow model: files, signature, input example, requirements.

Packaging needs no registry and no global state of MLflow, so it can run several times in one
process. The code of the packaged model is `registry.publishing.pyfunc_model`.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecasting.bundle.bundle import Bundle
from forecasting.bundle.graph import INPUT

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

MODEL_CODE = Path(__file__).with_name("pyfunc_model.py")
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas")
COUNTS = ("window", "horizon")
MEASURES = ("mean", "scale", "probability_up")
QUANTILES = ("q0.5", "q2.5", "q10", "q50", "q90", "q97.5", "q99.5")


def pack_model(bundle_dir: Path, bundle: Bundle, dest: Path, *, run_id: str, model_id: str) -> None:
    """Write the bundle as an MLflow model into `dest`, which must not exist."""
    from mlflow.models import Model  # noqa: PLC0415  takes seconds
    from mlflow.pyfunc import save_model  # noqa: PLC0415

    save_model(
        path=str(dest),
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        python_model=str(MODEL_CODE),
        artifacts={"bundle": str(bundle_dir)},
        signature=_signature(bundle),
        input_example={INPUT: bundle.golden.windows[:1]},
        # Without them, MLflow would run the model in a new process to infer them.
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        metadata=_metadata(bundle),
    )


def _signature(bundle: Bundle) -> ModelSignature:
    import numpy as np  # noqa: PLC0415  as above
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema, TensorSpec  # noqa: PLC0415

    shape = (-1, bundle.manifest.lookback, len(bundle.manifest.features))
    columns: list[ColSpec | TensorSpec] = [ColSpec("long", name) for name in COUNTS]
    columns += [ColSpec("double", name) for name in MEASURES + QUANTILES]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), shape, INPUT)]), outputs=Schema(columns)
    )


def _metadata(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle_fingerprint": bundle.fingerprint,
        "feature_hash": manifest.feature_hash,
        "features": list(manifest.features),
        "horizons": list(manifest.horizons),
        "cutoff": manifest.cutoff.isoformat(),
    }
