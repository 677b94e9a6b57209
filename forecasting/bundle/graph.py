"""The fused ONNX graph: opening it safely, and running it.

Needs only NumPy and ONNX Runtime, because serving imports the package.
`forecasting.export.fusion` builds the graph.
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
from forecasting.bundle.manifest import bundle_error

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]

INPUT = "window"
OUTPUTS: Final = ("mean", "scale", "member_mean", "member_scale")
LAYOUT_KEY = "stockcast.layout"


@dataclass(frozen=True)
class GraphLayout:
    """Meaning of the axes of a graph's input and outputs, stored in the graph."""

    features: tuple[str, ...]
    lookback: int
    horizons: tuple[int, ...]
    members: tuple[str, ...]

    def to_json(self) -> str:
        """Return the layout as text for the metadata of the graph, key `LAYOUT_KEY`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> GraphLayout:
        """Return the layout from the result of `to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError
            When `text` is not the result of `to_json`.
        """
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
    """Forecasts of n windows in units of the log return, finite, with positive scales.

    Attributes
    ----------
    mean, scale
        (n, horizons) location and scale of the ensemble.
    member_mean, member_scale
        (n, members, horizons) location and scale of each member.
    """

    mean: Floats
    scale: Floats
    member_mean: Floats
    member_scale: Floats


class EnsembleGraph:
    """An ONNX graph from windows of raw feature values to forecasts. Threads may share it.

    Parameters
    ----------
    content
        Serialised graph.

    Raises
    ------
    BundleError
        When the graph uses other files or non-standard operators, or when its input and outputs
        are not `INPUT` and `OUTPUTS`.
    """

    def __init__(self, content: bytes) -> None:
        check_self_contained(content)
        try:
            self._session = _open_session(content)
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no other base class
            problem = f"ONNX Runtime cannot open it: {error}"
            raise bundle_error(check="the graph", problem=problem) from None
        self.layout = self._read_layout()
        self._window_shape = self.layout.shapes(None)[INPUT][1:]

    def run(self, windows: Floats) -> BundleOutput:
        """Forecast each window.

        Parameters
        ----------
        windows
            Raw (unscaled) feature values, float32 (n, lookback, features) with n >= 1, oldest
            session first. The last session is the `as_of` session.

        Returns
        -------
        BundleOutput
            Location and scale of the log return from the `as_of` session to each horizon.

        Raises
        ------
        ForecastError
            When the shape or type is wrong. When a value is missing or infinite, because the graph
            would convert it to a plausible number. When a forecast is not finite or has no positive
            scale, because the price of the ticker did not move.
        """
        self._check_windows(windows)
        try:
            output = BundleOutput(*self._session.run(OUTPUTS, {INPUT: windows}))
        except Exception as error:  # noqa: BLE001  as in `__init__`
            msg = f"ONNX Runtime cannot run the graph on {len(windows)} windows: {error}"
            raise ForecastError(msg) from None
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
            msg = "`windows` must contain at least one window, got 0."
            raise ForecastError(msg)
        if not np.isfinite(windows).all():
            row, step, column = np.argwhere(~np.isfinite(windows))[0]
            msg = (
                f"`windows` must be finite, got {windows[row, step, column]} in row {row},"
                f" session {step}, feature {self.layout.features[column]!r};"
                " leave incomplete windows out."
            )
            raise ForecastError(msg)

    def _check_output(self, output: BundleOutput) -> None:
        """Check the members too, because responses contain them."""
        for mean, scale in (
            (output.mean, output.scale),
            (output.member_mean, output.member_scale),
        ):
            is_valid = np.isfinite(mean) & np.isfinite(scale) & (scale > 0)
            if not is_valid.all():
                rows = np.unique(np.nonzero(~is_valid)[0])[:5].tolist()
                msg = (
                    f"The forecasts of rows {rows} must be finite with a positive scale;"
                    " leave out tickers with a constant price."
                )
                raise ForecastError(msg)

    def _read_layout(self) -> GraphLayout:
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            layout = GraphLayout.from_json(metadata[LAYOUT_KEY])
            self._check_signature(layout.shapes(None))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            problem = f"it does not contain its layout ({error!r})."
            raise bundle_error(check="the graph", problem=problem) from None
        return layout

    def _check_signature(self, expected: dict[str, tuple[int | None, ...]]) -> None:
        shapes: dict[str, tuple[int | None, ...]] = {}
        for value in [*self._session.get_inputs(), *self._session.get_outputs()]:
            sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
            shapes[value.name] = sizes if value.type == "tensor(float)" else ()
        if shapes != expected:
            problem = f"it must have the tensors {expected}, got {shapes}."
            raise bundle_error(check="the graph", problem=problem)


def _open_session(content: bytes) -> InferenceSession:
    """Open the graph with one thread per call, because the service runs many calls in parallel."""
    # Without this variable at import, ONNX Runtime stores a device id and sends telemetry.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # errors are raised, so the log would repeat them
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
