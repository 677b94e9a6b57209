"""Golden vectors: real windows, and the outputs that the graph gave for them when it was written.

Packing and checking them belongs here; where they come from is the caller's choice.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from core.errors import ForecastError
from forecasting.bundle.graph import INPUT, OUTPUTS, BundleOutput, EnsembleGraph, Floats
from forecasting.bundle.manifest import GOLDEN_FILE, damaged

# Golden outputs may differ by this share of the scale forecast for the same window and horizon:
# enough for another processor's rounding, too little for any other model.
GOLDEN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Golden:
    """Windows with the outputs that the graph gave for them when the bundle was written."""

    windows: Floats
    output: BundleOutput


def pack_golden(windows: Floats, output: BundleOutput) -> bytes:
    """Return the golden file's bytes: an uncompressed archive without a time stamp."""
    buffer = io.BytesIO()
    arrays = {INPUT: windows, **{name: getattr(output, name) for name in OUTPUTS}}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_golden(content: bytes) -> Golden:
    """Read what `pack_golden` wrote; raise `BundleError` for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            # Stored uncompressed, so that a small file cannot unfold into a huge array.
            unfolded = sum(entry.file_size for entry in archive.zip.infolist())
            arrays = {name: archive[name] for name in archive.files if unfolded <= len(content)}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise damaged(
            check="the golden vectors", found=f"{GOLDEN_FILE} cannot be read ({error})."
        ) from None
    found = {name: str(array.dtype) for name, array in arrays.items()}
    expected = dict.fromkeys((INPUT, *OUTPUTS), "float32")
    if found != expected:
        raise damaged(
            check="the golden vectors", found=f"{GOLDEN_FILE} should hold {expected}, has {found}."
        )
    windows = arrays.pop(INPUT)
    return Golden(windows, BundleOutput(**arrays))


def check_golden(graph: EnsembleGraph, golden: Golden) -> None:
    """Raise `BundleError` unless the graph gives the golden outputs within the tolerance."""
    try:
        got = graph.run(golden.windows)
    except ForecastError as error:
        raise damaged(check="the golden vectors", found=str(error)) from None
    for name in OUTPUTS:
        values, expected = getattr(got, name), getattr(golden.output, name)
        unit = got.member_scale if name.startswith("member") else got.scale
        if (
            values.shape != expected.shape
            or not (np.abs(values - expected) <= GOLDEN_TOLERANCE * unit).all()
        ):
            found = f"`{name}` does not come back within {GOLDEN_TOLERANCE:g} of the scale."
            raise damaged(check="the golden vectors", found=found)
