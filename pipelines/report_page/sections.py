"""Sections of the report page, from the results of a run."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from forecasting.bundle.bundle import Bundle
from forecasting.evaluation.scorecard import ByModel, Scores
from forecasting.horizons import LABEL_OF
from forecasting.snapshot import Snapshot
from market.calendars.exchanges import SessionsByTicker
from market.quality.report import examine_bars, merge_reports
from pipelines.registration.candidate_contents import draw_plots
from pipelines.report_page.html import MAX_ROWS, Picture, Section, Table
from pipelines.report_page.price_forecasts import forward_fan, last_closes, price_forecasts
from pipelines.reporting.quality_plot import quality_map, worst_first
from pipelines.stages.evaluation import EvaluationScores
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.store import Stage

FORECASTS = "Forecasts"
MAX_PICTURES = 12
# Limits the number of bars that are examined at once.
TICKERS_AT_ONCE = 500
INTERVALS = {"80 %": ("q10", "q90"), "95 %": ("q2.5", "q97.5"), "99 %": ("q0.5", "q99.5")}
SCORE_PLOTS = {
    "forecast_fan_1d.png": "out-of-sample forecasts, 1 session ahead",
    "forecast_fan_1w.png": "out-of-sample forecasts, 5 sessions ahead",
    "forecast_fan_1m.png": "out-of-sample forecasts, 21 sessions ahead",
    "calibration.png": "calibration of every model",
}
MEMBER_PLOTS = {
    "weights.png": "weights of the members by fold",
    "importance.png": "feature importance of the forest",
    "loss_curve.png": "loss of the LSTM by epoch",
}
FILES = {
    "forecasts.parquet": "every scored out-of-sample forecast",
    "evaluation.json": "all scores",
    "promotion.json": "the decision",
}


def forecast_section(
    status: str, bundle: Bundle, snapshot: Snapshot, adjusted: pl.DataFrame
) -> Section:
    """Return fan charts and a table of the forecasts from the newest session on."""
    forecasts = price_forecasts(bundle, snapshot, MAX_ROWS // len(bundle.manifest.horizons))
    tickers = forecasts["ticker"].unique(maintain_order=True).to_list()
    omitted = len(snapshot.tickers) - len(tickers)
    more = (
        f" {omitted:,} more tickers have forecasts, which the service returns." if omitted else ""
    )
    pictures = [
        Picture(
            "forward_fan.svg",
            f"last closes and forecast of {ticker}",
            forward_fan(last_closes(adjusted, forecasts, ticker), forecasts, ticker),
        )
        for ticker in tickers[:MAX_PICTURES]
    ]
    skipped = pl.DataFrame(
        {"ticker": list(snapshot.skipped), "reason": list(snapshot.skipped.values())},
        schema={"ticker": pl.String, "reason": pl.String},
    )
    return Section(
        FORECASTS,
        f"{status} The shaded areas contain the close with a probability of 80, 95 and 99 %, "
        "1, 5 and 21 sessions after the last close. Between these sessions, the lines are "
        f"interpolated.{more}",
        pictures=pictures,
        tables=[
            Table("Forecast closes", _forecast_rows(forecasts)),
            *([Table("Tickers without a forecast", skipped)] if skipped.height else []),
        ],
    )


def _forecast_rows(forecasts: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "ticker": row["ticker"],
                "horizon": LABEL_OF[row["horizon"]],
                "as of": str(row["as_of"]),
                "target": str(row["target_session"]),
                "close": price_text(row["close"]),
                "median": price_text(row["q50"]),
                **{
                    name: f"{price_text(row[low])} to {price_text(row[high])}"
                    for name, (low, high) in INTERVALS.items()
                },
                "up": _percent(row["probability_up"]),
            }
            for row in forecasts.rows(named=True)
        ]
    )


def price_text(price: float) -> str:
    """Return a price with two decimals, or with four significant digits below 1."""
    return f"{price:,.2f}" if price >= 1 else f"{price:.4g}"


def decision_section(reports: Path, pages: Mapping[str, str]) -> Section:
    """Return the promotion decision with the result of every gate, and links to `pages`."""
    decision = json.loads((reports / "promotion.json").read_text())
    return Section(
        "Decision",
        f"Version {decision['version']}: {decision['outcome']}. {decision['hint'] or ''}",
        gates=[(reason["passed"], reason["sentence"]) for reason in decision["reasons"]],
        links=list(pages.items()),
    )


def scores_section(evaluation: EvaluationScores) -> Section:
    """Return the scores of all out-of-sample forecasts, and their plots."""
    scores = evaluation.scores
    return Section(
        "Out-of-sample scores",
        "Every model was trained on earlier sessions only. A lower CRPS is better. Skill is 1 - "
        "CRPS / CRPS of the reference; p is the two-sided p-value of its Diebold-Mariano test.",
        pictures=[
            Picture(name, title, evaluation.plots[name].read_bytes())
            for name, title in SCORE_PLOTS.items()
        ],
        tables=[
            Table(
                "All folds and tickers", _score_rows("", {"": scores["pooled"]}, all_models=True)
            ),
            Table("Ensemble by ticker", _score_rows("ticker", scores["tickers"])),
            Table("Ensemble by fold", _score_rows("fold", scores["folds"])),
        ],
    )


def _score_rows(key: str, groups: dict[str, ByModel], *, all_models: bool = False) -> pl.DataFrame:
    return pl.DataFrame(
        [
            ({key: group} if key else {})
            | {"horizon": LABEL_OF[int(horizon)]}
            | ({"model": model} if all_models else {})
            | _score_cells(scores)
            for group, by_model in groups.items()
            for model, by_horizon in by_model.items()
            if all_models or model == "ensemble"
            for horizon, scores in by_horizon.items()
        ],
        infer_schema_length=None,
    )


def _score_cells(scores: Scores) -> dict[str, str]:
    return {
        "CRPS": _decimal(scores["crps"], 5),
        "skill vs naive": _percent(scores["skill_naive"], signed=True),
        "p (naive)": _decimal(scores["p_naive"], 3),
        "skill vs GARCH": _percent(scores["skill_garch"], signed=True),
        "p (GARCH)": _decimal(scores["p_garch"], 3),
        **{f"in {level} %": _percent(scores[f"coverage_{level}"]) for level in ("80", "95", "99")},
        "direction": _percent(scores["direction_accuracy"]),
        "base rate": _percent(scores["direction_base_rate"]),
    }


def members_section(forecast_bundle: Stage) -> Section:
    """Return the plots of the members and their weights."""
    return Section(
        "Members of the ensemble",
        pictures=[
            Picture(name, MEMBER_PLOTS[name], content)
            for name, content in draw_plots(forecast_bundle).items()
        ],
    )


def data_section(table: FeatureTable, exchange: str, now: datetime) -> Section:
    """Return the findings of the quality checks in the bars of the run."""
    sessions_of, bars = SessionsByTicker(exchange), table.bars
    tickers = bars["ticker"].unique().sort()
    report = merge_reports(
        examine_bars(
            bars.filter(pl.col("ticker").is_in(tickers[at : at + TICKERS_AT_ONCE].implode())),
            sessions_of=sessions_of,
            now=now,
        )
        for at in range(0, len(tickers), TICKERS_AT_ONCE)
    )
    left_out = pl.DataFrame(
        {"ticker": list(table.left_out), "reason": list(table.left_out.values())},
        schema={"ticker": pl.String, "reason": pl.String},
    )
    return Section(
        "Data",
        f"{report.tickers['bars'].sum():,} daily bars of {report.tickers.height:,} tickers. A "
        "finding may be correct data.",
        pictures=[Picture("quality.png", "findings in the daily bars", quality_map(report))],
        tables=[
            Table("Findings by ticker", _as_text(worst_first(report.tickers))),
            *([Table("Tickers that are left out", left_out)] if left_out.height else []),
        ],
    )


def drift_section(distances: pl.DataFrame | None) -> Section:
    """Return the drift of every feature; None means that no drift report was made."""
    title = "Drift of the features"
    if distances is None:
        return Section(title, "The history is too short for a drift report.")
    return Section(
        title,
        "Wasserstein distance between the last quarter and up to two years before it, in standard "
        "deviations.",
        tables=[Table("Distance by feature", distances)],
        links=[("Evidently's report with all distributions", "drift.html")],
    )


def files_section() -> Section:
    """Return links to the files for programs."""
    links = [(f"{name}: {contents}", name) for name, contents in FILES.items()]
    return Section("Files", links=links)


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `rows` with readable column names and dates as text."""
    readable = {name: name.replace("_", " ") for name in rows.columns}
    return rows.with_columns(pl.col(pl.Date).cast(pl.String)).rename(readable)


def _percent(share: float | None, *, signed: bool = False) -> str:
    if share is None:
        return "-"
    return f"{100 * share:+.2f} %" if signed else f"{100 * share:.1f} %"


def _decimal(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
