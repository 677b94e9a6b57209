"""Graph and native members are compared on the same windows, and a wrong number is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.forecasting.bundles import tiny_bundle
from support.forecasting.panels import LOOKBACK, sample_panel

from forecasting.bundle.bundle import Bundle
from forecasting.bundle.graph import BundleOutput
from forecasting.export.parity import TOLERANCE, WINDOWS, parity_error, parity_rows, save_native
from forecasting.models.base import Member, Moments
from forecasting.samples.panel import Panel


class Native:
    """A member that says what the graph's member says, plus `error` for one window."""

    def __init__(self, output: BundleOutput, member: int, error: float = 0.0) -> None:
        self.mean = output.member_mean[:, member].astype(np.float64)
        self.scale = output.member_scale[:, member].astype(np.float64)
        self.mean[17, 2] += error * self.scale[17, 2]

    def moments(self, _: Panel, rows: np.ndarray) -> Moments:
        assert len(rows) == len(self.mean)
        return Moments(self.mean, self.scale)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_panel("AAPL", "MSFT")


@pytest.fixture(scope="module")
def output(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> BundleOutput:
    bundle: Bundle = tiny_bundle(tmp_path_factory.mktemp("parity") / "bundle", lookback=LOOKBACK)
    return bundle.run(panel.windows(parity_rows(panel)))


def compare(folder: Path, output: BundleOutput, native: object, panel: Panel) -> float:
    member: Member = native  # type: ignore[assignment]
    save_native(folder, member, panel)
    return parity_error(output, 1, folder)


def test_the_windows_are_spread_over_the_whole_panel(panel: Panel) -> None:
    rows = parity_rows(panel)

    assert len(rows) == WINDOWS
    assert (rows[0], rows[-1]) == (0, len(panel) - 1)
    assert np.diff(rows).max() <= np.ceil(len(panel) / WINDOWS) + 1


def test_a_small_panel_is_compared_whole() -> None:
    panel = sample_panel("AAPL")

    assert len(panel) < WINDOWS
    assert parity_rows(panel).tolist() == list(range(len(panel)))


def test_equal_members_have_no_error(tmp_path: Path, output: BundleOutput, panel: Panel) -> None:
    assert compare(tmp_path, output, Native(output, 1), panel) == 0


@pytest.mark.parametrize("error", [1e-4, -0.5])
def test_one_wrong_number_of_three_thousand_is_noticed(
    tmp_path: Path, output: BundleOutput, panel: Panel, error: float
) -> None:
    found = compare(tmp_path, output, Native(output, 1, error), panel)

    assert found == pytest.approx(abs(error), rel=1e-6)
    assert found > TOLERANCE


def test_a_wrong_scale_is_noticed_too(tmp_path: Path, output: BundleOutput, panel: Panel) -> None:
    native = Native(output, 1)
    native.scale[3, 0] *= 1.01

    assert compare(tmp_path, output, native, panel) == pytest.approx(0.01 / 1.01, rel=1e-5)


def test_a_graph_that_gives_no_number_is_not_at_parity(
    tmp_path: Path, output: BundleOutput, panel: Panel
) -> None:
    broken = output.member_scale.copy()
    broken[3, 1, 0] = np.nan

    found = compare(tmp_path, replace(output, member_scale=broken), Native(output, 1), panel)

    assert np.isnan(found)


def test_the_other_member_is_not_mistaken_for_this_one(
    tmp_path: Path, output: BundleOutput, panel: Panel
) -> None:
    assert compare(tmp_path, output, Native(output, 0), panel) > TOLERANCE
