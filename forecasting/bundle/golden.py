"""Golden vectors: real windows with the outputs of the graph at the time of writing."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from core.errors import ForecastError
from forecasting.bundle.graph import INPUT, OUTPUTS, BundleOutput, EnsembleGraph, Floats
from forecasting.bundle.manifest import GOLDEN_FILE, bundle_error

# Allowed difference of an output, as a share of the forecast's scale. It permits the rounding of
# another processor and detects another model.
GOLDEN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Golden:
    """Windows and the outputs of the graph for them at the time of writing."""

    windows: Floats
    output: BundleOutput


def pack_golden(windows: Floats, output: BundleOutput) -> bytes:
    """Return the content of the golden file, an uncompressed archive without time stamps."""
    buffer = io.BytesIO()
    arrays = {INPUT: windows, **{name: getattr(output, name) for name in OUTPUTS}}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_golden(content: bytes) -> Golden:
    """Return the golden vectors from the result of `pack_golden`.

    Raises
    ------
    BundleError
        When `content` is not a golden file.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            # The archive is uncompressed, so a small file cannot expand to a large array.
            expanded = sum(entry.file_size for entry in archive.zip.infolist())
            arrays = {name: archive[name] for name in archive.files if expanded <= len(content)}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        problem = f"{GOLDEN_FILE} cannot be read ({error})."
        raise bundle_error(check="the golden vectors", problem=problem) from None
    types = {name: str(array.dtype) for name, array in arrays.items()}
    expected = dict.fromkeys((INPUT, *OUTPUTS), "float32")
    if types != expected:
        problem = f"{GOLDEN_FILE} must contain {expected}, got {types}."
        raise bundle_error(check="the golden vectors", problem=problem)
    windows = arrays.pop(INPUT)
    return Golden(windows, BundleOutput(**arrays))


def check_golden(graph: EnsembleGraph, golden: Golden) -> None:
    """Raise `BundleError` unless the graph reproduces the golden outputs within the tolerance."""
    try:
        output = graph.run(golden.windows)
    except ForecastError as error:
        raise bundle_error(check="the golden vectors", problem=str(error)) from None
    for name in OUTPUTS:
        values, expected = getattr(output, name), getattr(golden.output, name)
        unit = output.member_scale if name.startswith("member") else output.scale
        if (
            values.shape != expected.shape
            or not (np.abs(values - expected) <= GOLDEN_TOLERANCE * unit).all()
        ):
            problem = f"`{name}` differs by more than {GOLDEN_TOLERANCE:g} of the scale."
            raise bundle_error(check="the golden vectors", problem=problem)
