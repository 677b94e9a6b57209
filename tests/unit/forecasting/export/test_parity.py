"""The fused graph is compared with the native members on the same windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.forecasting.bundles import tiny_bundle
from support.forecasting.panels import LOOKBACK, sample_panel

from forecasting.bundle.bundle import Bundle
from forecasting.bundle.graph import BundleOutput
from forecasting.export.parity import (
    TOLERANCE,
    WINDOWS,
    ExportedMember,
    ParityReport,
    measure_parity,
    parity_rows,
)
from forecasting.samples.panel import Panel


class StubMember:
    """A member whose forecasts equal the graph's, plus `error` in one window and horizon."""

    name = "stub"

    def __init__(self, output: BundleOutput, member: int, error: float = 0.0) -> None:
        self.scale = output.member_scale[:, member].astype(np.float64)
        self.scale[17, 2] /= 1 + error

    def fit(self, panel: Panel, rows: np.ndarray) -> StubMember:
        raise NotImplementedError

    def scales(self, _: Panel, rows: np.ndarray) -> np.ndarray:
        assert len(rows) == len(self.scale)
        return self.scale


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_panel("AAPL", "MSFT")


@pytest.fixture(scope="module")
def output(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> BundleOutput:
    bundle: Bundle = tiny_bundle(tmp_path_factory.mktemp("parity") / "bundle", lookback=LOOKBACK)
    return bundle.run(panel.windows(parity_rows(panel)))


def error_of(output: BundleOutput, panel: Panel, lstm: StubMember) -> float:
    """Return the error of the second member; the first one is at parity."""
    members = {
        name: ExportedMember.from_fit(member, panel, b"graph")
        for name, member in (("forest", StubMember(output, 0)), ("lstm", lstm))
    }
    return measure_parity(output, members).error["lstm"]


def test_the_windows_are_spread_over_the_whole_panel(panel: Panel) -> None:
    rows = parity_rows(panel)

    assert len(rows) == WINDOWS
    assert (rows[0], rows[-1]) == (0, len(panel) - 1)
    assert np.diff(rows).max() <= np.ceil(len(panel) / WINDOWS) + 1


def test_a_small_panel_is_compared_whole() -> None:
    panel = sample_panel("AAPL")

    assert len(panel) < WINDOWS
    assert parity_rows(panel).tolist() == list(range(len(panel)))


def test_equal_members_have_no_error(output: BundleOutput, panel: Panel) -> None:
    assert error_of(output, panel, StubMember(output, 1)) == 0


@pytest.mark.parametrize("error", [1e-4, -0.5])
def test_one_wrong_number_of_three_thousand_is_detected(
    output: BundleOutput, panel: Panel, error: float
) -> None:
    found = error_of(output, panel, StubMember(output, 1, error))

    assert found == pytest.approx(abs(error), rel=1e-6)
    assert found > TOLERANCE


def test_a_wrong_scale_is_detected(output: BundleOutput, panel: Panel) -> None:
    lstm = StubMember(output, 1)
    lstm.scale[3, 0] *= 1.01

    assert error_of(output, panel, lstm) == pytest.approx(0.01 / 1.01, rel=1e-5)


def test_nan_from_the_graph_is_not_parity(output: BundleOutput, panel: Panel) -> None:
    broken = output.member_scale.copy()
    broken[3, 1, 0] = np.nan

    found = error_of(replace(output, member_scale=broken), panel, StubMember(output, 1))

    assert np.isnan(found)


def test_the_members_are_not_confused(output: BundleOutput, panel: Panel) -> None:
    assert error_of(output, panel, StubMember(output, 0)) > TOLERANCE


def test_an_exported_member_equals_itself_after_saving_and_loading(
    output: BundleOutput, panel: Panel, tmp_path: Path
) -> None:
    member = ExportedMember.from_fit(StubMember(output, 1), panel, b"a graph")
    member.save(tmp_path)
    loaded = ExportedMember.load(tmp_path)

    assert loaded.graph == b"a graph"
    np.testing.assert_array_equal(loaded.native, member.native)


def test_a_report_keeps_nan_after_saving_and_loading(tmp_path: Path) -> None:
    ParityReport(7, {"forest": 1e-7, "lstm": float("nan")}).save(tmp_path)
    loaded = ParityReport.load(tmp_path)

    assert (loaded.windows, loaded.error["forest"]) == (7, 1e-7)
    assert np.isnan(loaded.error["lstm"])
    assert np.isnan(loaded.worst)
