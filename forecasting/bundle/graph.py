"""The fused ONNX graph as something that can be run: opening it safely, and its inputs and outputs.

Needs NumPy and ONNX Runtime only, because serving imports it. Building the graph belongs to
`forecasting.export.fusion`; what its numbers mean for an interval belongs to `forecasting.bundle.bundle`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError
from forecasting.bundle.graph_safety import check_self_contained
from forecasting.bundle.manifest import damaged

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]

INPUT = "window"
OUTPUTS: Final = ("mean", "scale", "member_mean", "member_scale")
LAYOUT_KEY = "stockcast.layout"


@dataclass(frozen=True)
class GraphLayout:
    """What the axes of a graph's input and outputs stand for; it travels inside the graph."""

    features: tuple[str, ...]
    lookback: int
    horizons: tuple[int, ...]
    members: tuple[str, ...]

    def to_json(self) -> str:
        """Return the text kept under `LAYOUT_KEY` in the graph's metadata."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> GraphLayout:
        """Read what `to_json` wrote; else raises a `ValueError`, `KeyError` or `TypeError`."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            features=tuple(values["features"]),
            lookback=values["lookback"],
            horizons=tuple(values["horizons"]),
            members=tuple(values["members"]),
        )

    def shapes(self, n: int | None) -> dict[str, tuple[int | None, ...]]:
        """Return the shape of the input and of each output for `n` windows."""
        by_horizon = (n, len(self.horizons))
        by_member = (n, len(self.members), len(self.horizons))
        shapes = (by_horizon, by_horizon, by_member, by_member)
        return {
            INPUT: (n, self.lookback, len(self.features)),
            **dict(zip(OUTPUTS, shapes, strict=True)),
        }


@dataclass(frozen=True)
class BundleOutput:
    """Forecasts of n windows in units of log return.

    ``mean`` and ``scale`` are (n, horizons); ``member_mean`` and ``member_scale`` are
    (n, members, horizons). Every value is finite and every scale positive.
    """

    mean: Floats
    scale: Floats
    member_mean: Floats
    member_scale: Floats


class EnsembleGraph:
    """An ONNX graph from windows of raw feature values to forecasts. Threads may share one.

    Parameters
    ----------
    content
        The serialised graph.

    Raises
    ------
    BundleError
        When the graph asks for anything but the standard operators and its own bytes, or has other
        inputs and outputs than `INPUT` and `OUTPUTS`.
    """

    def __init__(self, content: bytes) -> None:
        check_self_contained(content)
        try:
            self._session = _open_session(content)
        except Exception as error:  # noqa: BLE001  its classes share no base but Exception
            raise damaged(
                check="the graph", found=f"ONNX Runtime cannot open it: {error}"
            ) from None
        self.layout = self._read_layout()
        self._window_shape = self.layout.shapes(None)[INPUT][1:]

    def run(self, windows: Floats) -> BundleOutput:
        """Forecast each window.

        Parameters
        ----------
        windows
            Raw (unscaled) feature values, float32 (n, lookback, features) with n >= 1, oldest
            session first. Only the last session is the `as_of`; nothing later is looked at.

        Returns
        -------
        BundleOutput
            The mean and scale of the log return from `as_of` to each horizon.

        Raises
        ------
        ForecastError
            When the shape or type is another, a value is missing or infinite (a graph would turn
            it into a number that looks like a forecast), or a forecast is not finite with a
            positive scale, which happens when the ticker's price has never moved.
        """
        self._check_windows(windows)
        output = BundleOutput(*self._session.run(OUTPUTS, {INPUT: windows}))
        self._check_output(output)
        return output

    def _check_windows(self, windows: Floats) -> None:
        expected = self._window_shape
        if windows.dtype != np.float32 or windows.shape[1:] != expected:
            msg = (
                f"`windows` must be float32 of shape (n, {expected[0]}, {expected[1]}),"
                f" got {windows.dtype} of shape {windows.shape}."
            )
            raise ForecastError(msg)
        if len(windows) == 0:
            msg = "`windows` must hold at least one window, got none."
            raise ForecastError(msg)
        if not np.isfinite(windows).all():
            row, step, column = np.argwhere(~np.isfinite(windows))[0]
            msg = (
                f"`windows` must be finite, got {windows[row, step, column]} in row {row},"
                f" session {step}, feature {self.layout.features[column]!r};"
                " leave windows that are not complete out."
            )
            raise ForecastError(msg)

    def _check_output(self, output: BundleOutput) -> None:
        good = np.isfinite(output.mean) & np.isfinite(output.scale) & (output.scale > 0)
        if not good.all():
            rows = np.flatnonzero(~good.all(axis=1))[:5].tolist()
            msg = (
                f"The forecast of rows {rows} is not finite with a positive scale;"
                " leave tickers out whose price has not moved."
            )
            raise ForecastError(msg)

    def _read_layout(self) -> GraphLayout:
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            layout = GraphLayout.from_json(metadata[LAYOUT_KEY])
            self._check_signature(layout.shapes(None))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise damaged(
                check="the graph", found=f"it does not carry its layout ({error!r})."
            ) from None
        return layout

    def _check_signature(self, expected: dict[str, tuple[int | None, ...]]) -> None:
        found: dict[str, tuple[int | None, ...]] = {}
        for value in [*self._session.get_inputs(), *self._session.get_outputs()]:
            sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
            found[value.name] = sizes if value.type == "tensor(float)" else ()
        if found != expected:
            raise damaged(
                check="the graph", found=f"it should have the tensors {expected}, but has {found}."
            )


def _open_session(content: bytes) -> InferenceSession:
    """One thread a call: many calls run side by side, and none burns a core while it waits."""
    # ONNX Runtime writes a device id and reports to its maker unless told so before its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # what goes wrong is raised; the log would say it twice
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
