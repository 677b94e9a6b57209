"""Assets from bars to features: the table that models train on, and the snapshot for serving."""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import polars as pl

from core.errors import BarsError, NotEnoughHistoryError
from forecasting.features.feature_set import FeatureSet, feature_set
from forecasting.horizons import HORIZONS
from forecasting.samples.panel import latest_windows
from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot, write_snapshot
from market.calendars.exchanges import SessionsByTicker
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.failures import classed_failures
from pipelines.reporting.tables import markdown_table
from pipelines.settings import PipelineSettings
from pipelines.stages.feature_table import FeatureTable, build_feature_table
from pipelines.stages.samples import load_panel
from pipelines.stages.store import Stage, StageStore


@dg.asset(
    group_name="features",
    deps=[DAILY_BARS],
    kinds={"polars", "parquet"},
    owners=["team:forecasting"],
)
def feature_table(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[PipelineSettings],
    bar_store: dg.ResourceParam[BarStore],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Every feature of every ticker and session, computed from bars up to that session's close."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        followed = _with_bars(context, bar_store)
        data = bar_store.fingerprint(followed)
        build = partial(
            build_feature_table,
            read_bars=partial(bar_store.read, followed),
            features=features,
            lookback=settings.lookback,
            data_fingerprint=data,
            real_moves=settings.real_moves,
        )
        # The table has no windows, but everything downstream does.
        ingredients = {
            "bars": data,
            "features": features.hash,
            "lookback": settings.lookback,
            "real_moves": sorted(settings.real_moves),
        }
        stage = stages.make(FeatureTable.NAME, ingredients, build)
        result = FeatureTable(stage)
        panel = load_panel(result)
    table = result.features
    for ticker, reason in result.left_out.items():
        context.log.error(f"{ticker} is left out: {reason}")
    if panel.skipped.height:
        tickers = ", ".join(panel.skipped["ticker"])
        context.log.warning(f"History too short for a forecast: {tickers}")
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
                markdown_table(panel.skipped) if panel.skipped.height else "No ticker was skipped."
            ),
        },
    )


def _with_bars(context: dg.AssetExecutionContext, bar_store: BarStore) -> list[str]:
    """Return the followed tickers that have bars; a new ticker may have none yet."""
    followed = context.instance.get_dynamic_partitions("tickers")
    stored = set(bar_store.tickers())
    if missing := [ticker for ticker in followed if ticker not in stored]:
        context.log.warning(f"Followed tickers without bars: {', '.join(missing)}")
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
    """The newest feature window of every ticker, published for the forecast service."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        try:
            snapshot = _snapshot(feature_table, features, settings)
        except NotEnoughHistoryError as error:
            context.log.warning(f"No snapshot was published. {error}")
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
    table = FeatureTable(feature_table)
    keys, windows = latest_windows(table.features, table.lookback)
    too_short = dict(load_panel(table).skipped.select("ticker", "reason").rows())
    if keys.is_empty():
        ticker, reason = next(iter(too_short.items()))
        msg = f"No ticker has a complete window; {ticker}: {reason}"
        raise NotEnoughHistoryError(msg)
    sessions_of = SessionsByTicker(settings.exchange)
    off_calendar = _off_calendar(keys, sessions_of)
    on_calendar = ~keys["ticker"].is_in(list(off_calendar))
    keys, windows = keys.filter(on_calendar), windows[on_calendar.to_numpy()]
    if keys.is_empty():
        raise BarsError(next(iter(off_calendar.values())))
    close = keys.join(table.bars, on=["ticker", "session"], how="left")["close"]
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
        data_fingerprint=table.data_fingerprint,
        skipped=too_short | off_calendar | table.left_out,
    )


def _off_calendar(keys: pl.DataFrame, sessions_of: SessionsByTicker) -> dict[str, str]:
    """Return the tickers whose newest session is not in their present calendar, and why."""
    return {
        ticker: f"its newest window ends on {as_of}, which is not a session of "
        f"{sessions_of(ticker).exchange}: its bars were ingested with another calendar."
        for ticker, as_of in keys.rows()
        if not sessions_of(ticker).is_session(as_of)
    }
