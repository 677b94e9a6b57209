"""From bars to features: the table that models train on, and the windows that serving reads."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from core.errors import BarsError, NotEnoughHistoryError
from forecasting.features.feature_set import FeatureSet, compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.samples.panel import latest_windows
from forecasting.settings import TrainingSettings
from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot, write_snapshot
from market.bars.adjustments import adjust_bars
from market.calendars.exchanges import SessionsByTicker
from market.quality.report import unusable_tickers
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.failures import classed_failures
from pipelines.reporting.tables import markdown_table
from pipelines.settings import PipelineSettings
from pipelines.stages.contents import load_panel
from pipelines.stages.store import Stage, StageStore


@dg.asset(
    group_name="features",
    deps=[DAILY_BARS],
    kinds={"polars", "parquet"},
    owners=["team:forecasting"],
)
def feature_table(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[TrainingSettings],
    bar_store: dg.ResourceParam[BarStore],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Every feature of every ticker and session, known at that session's close."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        followed = _with_bars(context, bar_store)
        data = bar_store.fingerprint(followed)

        def build(folder: Path) -> None:
            bars, left_out = _fit_bars(bar_store.read(followed))
            adjusted = adjust_bars(bars)
            bars.write_parquet(folder / "bars.parquet")
            adjusted.write_parquet(folder / "adjusted.parquet")
            compute_features(adjusted, features).write_parquet(folder / "features.parquet")
            (folder / "data_fingerprint.json").write_text(f'"{data}"')
            (folder / "lookback.json").write_text(str(settings.lookback))
            (folder / "left_out.json").write_text(json.dumps(left_out))

        # The table itself has no windows, but all that is made from it does.
        ingredients = {"bars": data, "features": features.hash, "lookback": settings.lookback}
        stage = stages.make("feature_table", ingredients, build)
        panel = load_panel(stage)
    table = stage.frame("features")
    for ticker, reason in stage.document("left_out").items():
        context.log.error(f"{ticker} is left out: {reason}")
    if panel.skipped.height:
        context.log.warning(f"Too young to forecast: {', '.join(panel.skipped['ticker'])}")
    return dg.MaterializeResult(
        value=stage,
        data_version=stage.data_version,
        metadata={
            "dagster/row_count": table.height,
            "samples": panel.keys.height,
            "features": len(features.names),
            "feature_hash": features.hash,
            "data_fingerprint": data,
            "last_session": str(table["session"].max()),
            "feature_list": dg.MetadataValue.md(_feature_list(features)),
            "skipped": dg.MetadataValue.md(
                markdown_table(panel.skipped) if panel.skipped.height else "No ticker is too young."
            ),
        },
    )


def _fit_bars(bars: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the bars that something may be made from, and why tickers are left out."""
    left_out = unusable_tickers(bars)
    fit = bars.filter(~pl.col("ticker").is_in(list(left_out)))
    if fit.is_empty():
        msg = "\n".join(f"{ticker}: {reason}" for ticker, reason in left_out.items())
        raise BarsError(msg)
    return fit, left_out


def _with_bars(context: dg.AssetExecutionContext, bar_store: BarStore) -> list[str]:
    """Return the followed tickers that have bars; others may have been added a moment ago."""
    followed = context.instance.get_dynamic_partitions("tickers")
    stored = set(bar_store.tickers())
    if missing := [ticker for ticker in followed if ticker not in stored]:
        context.log.warning(f"Followed, but without bars yet: {', '.join(missing)}")
    if not stored & set(followed):
        msg = "No followed ticker has bars; materialise `daily_bars` first."
        raise NotEnoughHistoryError(msg)
    return [ticker for ticker in followed if ticker in stored]


def _feature_list(features: FeatureSet) -> str:
    shown = pl.DataFrame(
        [
            {"feature": f.name, "group": f.group, "warm-up": f.warmup, "meaning": f.description}
            for f in features.features
        ]
    )
    return markdown_table(shown)


@dg.asset(
    group_name="features", kinds={"numpy"}, owners=["team:forecasting"], output_required=False
)
def feature_snapshot(
    context: dg.AssetExecutionContext,
    feature_table: Stage,
    settings: dg.ResourceParam[PipelineSettings],
) -> Iterator[dg.MaterializeResult[None]]:
    """The newest feature window of every ticker, published for the service to map."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        try:
            snapshot = _snapshot(feature_table, features, settings)
        except NotEnoughHistoryError as error:
            context.log.warning(f"Nothing is published yet. {error}")
            return
        folder = write_snapshot(settings.home / SNAPSHOT_FOLDER, snapshot)
    published = pl.DataFrame(
        {"ticker": snapshot.tickers, "as_of": snapshot.as_of, "close": snapshot.close}
    )
    context.log.info(f"{len(snapshot.tickers)} windows published, to {max(snapshot.as_of)}")
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.fingerprint[:16]),
        metadata={
            "folder": dg.MetadataValue.path(folder),
            "tickers": len(snapshot.tickers),
            "feature_hash": snapshot.feature_hash,
            "windows": dg.MetadataValue.md(markdown_table(published)),
        },
    )


def _snapshot(feature_table: Stage, features: FeatureSet, settings: PipelineSettings) -> Snapshot:
    keys, windows = latest_windows(
        feature_table.frame("features"), feature_table.document("lookback")
    )
    too_young = dict(load_panel(feature_table).skipped.select("ticker", "reason").rows())
    if keys.is_empty():
        ticker, reason = next(iter(too_young.items()))
        msg = f"No ticker has a complete window; {ticker}: {reason}"
        raise NotEnoughHistoryError(msg)
    sessions_of = SessionsByTicker(settings.exchange)
    strangers = _strangers(keys, sessions_of)
    is_at_home = ~keys["ticker"].is_in(list(strangers))
    keys, windows = keys.filter(is_at_home), windows[is_at_home.to_numpy()]
    if keys.is_empty():
        raise BarsError(next(iter(strangers.values())))
    close = keys.join(feature_table.frame("bars"), on=["ticker", "session"], how="left")["close"]
    calendars = [(sessions_of(ticker), as_of) for ticker, as_of in keys.rows()]
    return Snapshot(
        feature_hash=features.hash,
        feature_names=features.names,
        tickers=tuple(keys["ticker"]),
        exchanges=tuple(sessions.exchange for sessions, _ in calendars),
        as_of=tuple(keys["session"]),
        close=tuple(close),
        target_sessions={
            h: tuple(sessions.offset(as_of, h) for sessions, as_of in calendars) for h in HORIZONS
        },
        windows=windows,
        data_fingerprint=feature_table.document("data_fingerprint"),
        skipped=too_young | strangers | feature_table.document("left_out"),
    )


def _strangers(keys: pl.DataFrame, sessions_of: SessionsByTicker) -> dict[str, str]:
    """Return tickers whose bars were taken in by another calendar than the present one, and why."""
    return {
        ticker: f"its newest window ends on {as_of}, which is no session of "
        f"{sessions_of(ticker).exchange}: its bars were taken in by another calendar."
        for ticker, as_of in keys.rows()
        if not sessions_of(ticker).is_session(as_of)
    }
