"""The main job on real bars in separate processes: its version, a repeated run, and kills.

Runs on a second home with the same bars are killed repeatedly. `test_main_job_reports` tests the
reports of the undisturbed run.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from support.market.bars import sample_bars
from support.pipelines.command_runs import Finished, fitting_seconds
from support.pipelines.main_job import HORIZONS, MODELS, START, TEST_SIZE, TICKERS

from forecasting.features.feature_set import feature_set
from forecasting.snapshot import read_snapshot
from registry.names import CHALLENGER, CHAMPION
from registry.promotion.aliases import promote
from registry.promotion.audit import read_moves

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.in_order,
    # On a busy machine the runs of the first test take minutes.
    pytest.mark.timeout(600),
]

STAGED = {"feature_table", "drift_report", "walk_forward_forecasts", "evaluation"}
STAGED |= {"forest", "lstm", "forecast_bundle"}
# It names the registry and the run, so it differs between homes.
LOCAL = "registered_version"


def test_one_version_is_registered_with_its_evidence(finished: Finished, tmp_path: Path) -> None:
    (info,) = finished.versions
    reports = finished.home.path / "reports"

    assert info.version == 1
    assert info.cutoff == date(2013, 3, 1)
    assert info.tags["dagster/run_id"] == finished.run
    for name in ("evaluation.json", "forecasts.parquet"):
        kept = finished.home.registry.download_evidence(1, name, tmp_path)
        assert kept.read_bytes() == (reports / name).read_bytes()
    plots = finished.home.registry.client.list_artifacts(info.run_id, "plots")
    assert {Path(plot.path).stem for plot in plots} >= {
        "forecast_fan_1d",
        "forecast_fan_1w",
        "forecast_fan_1m",
        "calibration",
        "weights",
        "importance",
        "loss_curve",
    }


def test_the_run_keeps_parameters_and_the_metrics_of_every_fold(finished: Finished) -> None:
    client = finished.home.registry.client
    run = finished.versions[0].run_id
    logged = client.get_run(run).data

    assert logged.params["profile"] == "quick"
    assert logged.params["walk_forward.test_size"] == str(TEST_SIZE)
    history = client.get_metric_history(run, "1d.ensemble.crps.by_fold")
    assert sorted(entry.step for entry in history) == [1, 2, 3, 4]


def test_the_decision_is_in_the_tags_the_trail_and_the_report(finished: Finished) -> None:
    (info,), (move,) = finished.versions, finished.trail
    report = json.loads((finished.home.path / "reports" / "promotion.json").read_text())
    promoted = all(reason["passed"] for reason in report["reasons"])

    assert info.aliases == (CHAMPION if promoted else CHALLENGER,)
    assert info.tags["stockcast.decision"] == ("promote" if promoted else "keep") == move.action
    assert (move.to_version, move.pending) == (1, False)
    assert move.actor == f"Dagster run {finished.run}"
    assert move.reasons == tuple(reason["sentence"] for reason in report["reasons"])
    gates = {reason["gate"] for reason in report["reasons"]}
    assert {"golden", "finite", "coverage_95_1w", "naive_1m", "champion"} <= gates


def test_the_newest_windows_are_published(finished: Finished) -> None:
    snapshot = read_snapshot(finished.home.path / "snapshot", feature_set().hash)

    assert snapshot.tickers == TICKERS
    assert set(snapshot.as_of) == {date(2013, 3, 1)}
    raw = sample_bars(*TICKERS, start=START).group_by("ticker", maintain_order=True).last()
    assert snapshot.close == tuple(raw["close"])


def test_the_terminal_shows_scores_reasons_and_the_reports_folder(finished: Finished) -> None:
    reports = finished.home.path / "reports"

    assert "Out of sample, all scored folds" in finished.output
    for model in MODELS:
        assert len(re.findall(rf"1[dwm] +{model} ", finished.output)) == len(HORIZONS)
    assert "Version 1: " in finished.output
    assert str(reports) in finished.output.replace("\n", "")
    assert "Traceback" not in finished.output


def test_assets_and_report_page_link_to_mlflow(finished: Finished) -> None:
    """A browser opens no file from a page of Dagster, so MLflow has a copy of the report page."""
    (info,) = finished.versions
    made = finished.home.made(finished.run)
    page = (finished.home.path / "reports" / "index.html").read_text()
    mlflow = f"http://127.0.0.1:{finished.home.settings.mlflow_port}/#"

    for name in ("registered_version", "promotion"):
        assert made[name]["Version in MLflow"] == f"{mlflow}/models/stockcast/versions/1"
        assert made[name]["Experiment in MLflow"].startswith(f"{mlflow}/experiments/")
        assert f'href="{made[name]["Version in MLflow"]}"' in page
    assert made["report_page"]["page"].endswith(f"/{info.run_id}/artifacts/report/index.html")
    (logged,) = finished.home.registry.client.list_artifacts(info.run_id, "report")
    assert logged.file_size == len(page.encode())


def test_a_second_run_at_the_same_time_is_refused(finished: Finished) -> None:
    home = finished.home.path
    expected = f"error: Another command, stockcast run, is using {home}; wait for it or set --home."

    assert finished.refused.strip() == expected


def test_a_repeated_run_reuses_every_stage_registers_nothing_and_serves(
    finished: Finished,
) -> None:
    home = finished.home
    before = home.all_stages()
    promote(home.registry, 1, "for the test", actor="a test")

    again = home.run()

    assert again.returncode == 0, again.stderr
    assert fitting_seconds(again.stdout) < 0.5 * fitting_seconds(finished.output)
    assert home.all_stages() == before
    made = home.made(home.runs()[0])
    assert {name for name, metadata in made.items() if metadata.get("reused")} == {*STAGED, LOCAL}
    assert [info.version for info in home.registry.list()] == [1]
    assert "is the champion already" in again.stdout
    forecasts = re.findall(r"(AAPL|IBM) +(1d|1w|1m) +2013-03-01 ", again.stdout)
    assert len(forecasts) == len(TICKERS) * len(HORIZONS)


def test_runs_that_were_killed_end_with_the_results_of_an_undisturbed_run(
    finished: Finished,
) -> None:
    home = finished.killed

    done = home.run("--no-serve")

    assert done.returncode == 0, done.stderr
    assert home.left_overs() == []
    assert home.all_stages(but=[LOCAL]) == finished.home.all_stages(but=[LOCAL])
    (ours,), (theirs,) = home.registry.list(), finished.versions
    assert (ours.fingerprint, ours.aliases) == (theirs.fingerprint, theirs.aliases)
    assert ours.tags["stockcast.decision"] == theirs.tags["stockcast.decision"]
    assert [move.action for move in read_moves(home.registry)] == [
        move.action for move in finished.trail
    ]
    for name in ("evaluation.json", "forecasts.parquet"):
        ours_, theirs_ = (h.path / "reports" / name for h in (home, finished.home))
        assert ours_.read_bytes() == theirs_.read_bytes()
