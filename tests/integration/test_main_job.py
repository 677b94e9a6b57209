"""The main job on real bars in separate processes: its results, a repeated run, and kills.

The tests recompute the reports of one undisturbed run from the raw sample. Runs on a second home
with the same bars are killed repeatedly.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.market.bars import sample_bars
from support.pipelines.command_runs import (
    Finished,
    RunHome,
    finish,
    fitting_seconds,
    kill_often,
    wait_until,
    write_yahoo,
)

from forecasting.features.feature_set import feature_set
from forecasting.snapshot import read_snapshot
from pipelines.report_page.sections import MEMBER_PLOTS, SCORE_PLOTS
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

TICKERS = ("AAPL", "IBM")
START = date(2008, 7, 1)
FOLDS, TEST_SIZE, GAP = 4, 63, 21 + 5
HORIZONS = (1, 5, 21)
MODELS = ("naive", "garch", "ewma", "linear", "student", "forest", "lstm", "ensemble")
LEVELS = ("0.5", "1", "2.5", "5", "10", "25", "50", "75", "90", "95", "97.5", "99", "99.5")
STAGED = {"feature_table", "drift_report", "walk_forward_forecasts", "evaluation"}
STAGED |= {"forest", "lstm", "forecast_bundle"}
# It names the registry and the run, so it differs between homes.
LOCAL = "registered_version"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Run both homes at the same time, on both cores."""
    folder = tmp_path_factory.mktemp("main-job")
    bars = write_yahoo(folder / "bars", *TICKERS, start=START)
    home, killed = RunHome(folder / "undisturbed", bars), RunHome(folder / "killed", bars)
    process = home.start()
    wait_until(process, lambda: bool(home.stages("feature_table")))
    refused = home.run()
    assert refused.returncode == 1, refused.stdout
    kill_often(killed)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    (run,) = home.runs()
    return Finished(
        home=home,
        killed=killed,
        output=done.stdout,
        refused=refused.stderr,
        versions=home.registry.list(),
        trail=read_moves(home.registry),
        run=run,
    )


@pytest.fixture(scope="module")
def forecasts(finished: Finished) -> pl.DataFrame:
    return pl.read_parquet(finished.home.path / "reports" / "forecasts.parquet")


@pytest.fixture(scope="module")
def evaluation(finished: Finished) -> dict[str, object]:
    return json.loads((finished.home.path / "reports" / "evaluation.json").read_text())


def sessions_of(ticker: str) -> list[date]:
    return sample_bars(ticker, start=START)["session"].to_list()


def test_the_reports_have_scores_for_every_model_horizon_and_fold(
    evaluation: dict[str, object],
) -> None:
    folds = evaluation["folds"]
    assert set(folds) == {str(n) for n in range(1, FOLDS + 1)}
    for by_model in (evaluation["pooled"], *folds.values()):
        assert set(by_model) == set(MODELS)
        for by_horizon in by_model.values():
            assert set(by_horizon) == {str(h) for h in HORIZONS}
            for scores in by_horizon.values():
                assert scores["crps"] > 0
                assert 0 <= scores["coverage_95"] <= 1
    tickers = {cell["ticker"] for cell in evaluation["cells"]}
    assert tickers == set(TICKERS)


def test_every_out_of_sample_forecast_is_reported_with_its_outcome(forecasts: pl.DataFrame) -> None:
    key = ["ticker", "as_of", "target_session", "horizon", "fold", "model"]
    quantiles = [f"q{level}" for level in LEVELS]

    assert forecasts.columns == [
        *key,
        "mean",
        *quantiles,
        "log_return",
        "crps",
        "probability_up",
        "pit",
    ]
    assert not forecasts.select(key).is_duplicated().any()
    assert forecasts.null_count().sum_horizontal().item() == 0
    assert forecasts.group_by("fold", "horizon", "model").len().height == (
        FOLDS * len(HORIZONS) * len(MODELS)
    )
    surface = forecasts.select(quantiles).to_numpy()
    assert np.isfinite(surface).all()
    assert (np.diff(surface, axis=1) >= 0).all()


def test_realised_returns_and_target_sessions_match_the_raw_sample(forecasts: pl.DataFrame) -> None:
    for ticker in TICKERS:
        raw = sample_bars(ticker, start=START)
        sessions, price = raw["session"].to_list(), raw["adj_close"].to_numpy()
        place = {session: i for i, session in enumerate(sessions)}
        for horizon in HORIZONS:
            rows = forecasts.filter(ticker=ticker, horizon=horizon)
            start = np.array([place[session] for session in rows["as_of"]])
            expected = np.log(price[start + horizon] / price[start])
            np.testing.assert_allclose(rows["log_return"].to_numpy(), expected, atol=1e-12)
            assert rows["target_session"].to_list() == [sessions[i + horizon] for i in start]


def test_coverage_and_errors_can_be_recomputed_from_the_forecasts(
    forecasts: pl.DataFrame, evaluation: dict[str, object]
) -> None:
    for (model, horizon), rows in forecasts.partition_by("model", "horizon", as_dict=True).items():
        scores = evaluation["pooled"][model][str(horizon)]
        outcome, median = rows["log_return"].to_numpy(), rows["q50"].to_numpy()
        for level, low, high in (("80", "q10", "q90"), ("99", "q0.5", "q99.5")):
            inside = (outcome >= rows[low].to_numpy()) & (outcome <= rows[high].to_numpy())
            assert scores[f"coverage_{level}"] == pytest.approx(inside.mean(), abs=1e-12)
        assert scores["mae"] == pytest.approx(np.abs(outcome - median).mean())
        assert scores["crps"] == pytest.approx(rows["crps"].mean())


def test_crps_is_near_the_pinball_losses_of_the_reported_quantiles(forecasts: pl.DataFrame) -> None:
    """CRPS is twice the integral of the pinball loss over the levels, here thirteen."""
    levels = np.array([float(level) / 100 for level in LEVELS])
    surface = forecasts.select(f"q{level}" for level in LEVELS).to_numpy()
    error = forecasts["log_return"].to_numpy()[:, None] - surface
    pinball = np.maximum(levels * error, (levels - 1) * error)
    coarse = 2 * np.trapezoid(pinball, levels, axis=1)

    assert coarse.mean() == pytest.approx(forecasts["crps"].mean(), rel=0.1)


def test_every_model_was_trained_before_the_sessions_it_forecasts(
    finished: Finished, forecasts: pl.DataFrame
) -> None:
    made = finished.home.made(finished.run)["walk_forward_forecasts"]
    found = re.findall(r"fold (\d+): trained through (\S+), forecasts (\S+) to", str(made["folds"]))
    cutoffs = {int(fold): date.fromisoformat(cutoff) for fold, cutoff, _ in found}
    calendar = sessions_of("IBM")

    assert cutoffs.keys() == {0, 1, 2, 3, 4}
    for (fold,), rows in forecasts.partition_by("fold", as_dict=True).items():
        first = calendar.index(rows["as_of"].min())
        assert first - calendar.index(cutoffs[fold]) - 1 == GAP
        # The last training target ends before the first forecast.
        assert first - calendar.index(cutoffs[fold]) > max(HORIZONS)
        assert rows["as_of"].n_unique() <= TEST_SIZE


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


def test_the_reports_folder_has_exactly_the_documented_files(finished: Finished) -> None:
    names = {path.name for path in (finished.home.path / "reports").iterdir()}

    assert names == {
        "evaluation.json",
        "forecasts.parquet",
        "promotion.json",
        "drift.html",
        "drift.json",
        "index.html",
        "calibration.png",
        *(f"forecast_fan_{label}.png" for label in ("1d", "1w", "1m")),
    }


def test_the_report_page_shows_the_served_forecasts_and_every_plot(finished: Finished) -> None:
    page = (finished.home.path / "reports" / "index.html").read_text()
    report = json.loads((finished.home.path / "reports" / "promotion.json").read_text())

    for ticker in TICKERS:
        assert f'alt="last closes and forecast of {ticker}"' in page
    for title in (*SCORE_PLOTS.values(), *MEMBER_PLOTS.values(), "findings in the daily bars"):
        assert f'alt="{title}"' in page
    assert page.count("<li class=") == len(report["reasons"])
    assert "2013-03-01" in page
    assert "<h3>Distance by feature</h3>" in page


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
