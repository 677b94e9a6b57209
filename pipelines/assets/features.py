"""Assets from bars to features: the table that models train on, and the snapshot for serving."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from core.errors import BarsError, NotEnoughHistoryError
from core.isolation import find_faulty, run_isolated
from forecasting.features.feature_set import FeatureSet, compute_features, feature_set
from forecasting.horizons import HORIZONS
from forecasting.price_history import pack_prices
from forecasting.samples.windows import latest_windows
from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot, write_snapshot
from market.bars.adjustments import adjust_bars
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.ingest.universe import read_names
from market.quality.report import unusable_tickers
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.failures import classed_failures
from pipelines.reporting.tables import markdown_table
from pipelines.settings import PipelineSettings
from pipelines.stages.feature_table import FeatureTable, build_feature_table
from pipelines.stages.samples import load_panel
from pipelines.stages.store import Stage, StageStore
from pipelines.stages.usable_tickers import find_unusable, list_left_out


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
    quarantine: dg.ResourceParam[Quarantine],
    stages: dg.ResourceParam[StageStore],
) -> dg.MaterializeResult[Stage]:
    """Every feature of every ticker and session, computed from bars up to that session's close."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        unusable = find_unusable(context.instance, settings, bar_store, quarantine)
        usable = [ticker for ticker in _followed(context, bar_store) if ticker not in unusable]
        if not usable:
            raise BarsError(list_left_out(unusable))

        def make(tickers: Sequence[str], faulty: Mapping[str, str]) -> Stage:
            return _make_table(stages, bar_store, settings, features, tickers, faulty)

        # The stage of the other tickers has another key, so a repaired ticker returns at once.
        stage, _ = run_isolated(usable, make, probe=partial(_try_ticker, bar_store, features))
        result = FeatureTable(stage)
        panel = load_panel(result)
    table = result.features
    left_out = unusable | result.left_out
    for ticker, reason in left_out.items():
        context.log.error(f"{ticker} is left out: {reason}")
    for ticker, reason in result.shortened.items():
        context.log.warning(f"{ticker}: {reason}")
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
            "data_fingerprint": result.data_fingerprint,
            "last_session": str(table["session"].max()),
            "feature_list": dg.MetadataValue.md(_feature_list(features)),
            "skipped": dg.MetadataValue.md(
                markdown_table(panel.skipped) if panel.skipped.height else "No ticker was skipped."
            ),
            "left_out": dg.MetadataValue.md(_left_out_table(left_out)),
            "shortened": dg.MetadataValue.md(_left_out_table(result.shortened)),
        },
    )


def _make_table(
    stages: StageStore,
    bar_store: BarStore,
    settings: PipelineSettings,
    features: FeatureSet,
    tickers: Sequence[str],
    faulty: Mapping[str, str],
) -> Stage:
    data = bar_store.fingerprint(tickers)
    build = partial(
        build_feature_table,
        read_bars=partial(bar_store.read, tickers),
        features=features,
        lookback=settings.lookback,
        data_fingerprint=data,
        real_moves=settings.real_moves,
        faulty=faulty,
    )
    # The table has no windows, but everything downstream does.
    ingredients: dict[str, object] = {
        "bars": data,
        "features": features.hash,
        "lookback": settings.lookback,
        "real_moves": sorted(settings.real_moves),
    }
    if faulty:
        ingredients["faulty"] = dict(faulty)
    return stages.make(FeatureTable.NAME, ingredients, build)


def _try_ticker(bar_store: BarStore, features: FeatureSet, ticker: str) -> None:
    """Raise the error of a ticker for which no features can be computed."""
    bars = bar_store.read([ticker])
    unusable_tickers(bars)
    compute_features(adjust_bars(bars), features)


def _left_out_table(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return "No ticker was left out."
    rows = {"ticker": list(left_out), "reason": list(left_out.values())}
    return markdown_table(pl.DataFrame(rows))


def _followed(context: dg.AssetExecutionContext, bar_store: BarStore) -> Sequence[str]:
    """Return the followed tickers, of which at least one has bars."""
    followed: Sequence[str] = context.instance.get_dynamic_partitions("tickers")
    if not {*bar_store.tickers()} & {*followed}:
        msg = "No followed ticker has bars; materialise `daily_bars` first."
        raise NotEnoughHistoryError(msg)
    return followed


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
    bar_store: dg.ResourceParam[BarStore],
    quarantine: dg.ResourceParam[Quarantine],
) -> Iterator[dg.MaterializeResult[None]]:
    """The newest feature window of every ticker, published for the forecast service."""
    features = feature_set(settings.extra_indicators)
    with classed_failures():
        try:
            unusable = find_unusable(context.instance, settings, bar_store, quarantine)
            snapshot = _snapshot(feature_table, features, settings, unusable)
        except NotEnoughHistoryError as error:
            context.log.warning(f"No snapshot was published. {error}")
            return
        folder = write_snapshot(settings.home / SNAPSHOT_FOLDER, snapshot)
    for ticker, reason in snapshot.skipped.items():
        context.log.warning(f"{ticker} has no forecast: {reason}")
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
            "left_out": dg.MetadataValue.md(_left_out_table(snapshot.skipped)),
        },
    )


def _snapshot(
    feature_table: Stage,
    features: FeatureSet,
    settings: PipelineSettings,
    unusable: Mapping[str, str],
) -> Snapshot:
    table = FeatureTable(feature_table)
    keys, windows = latest_windows(table.features, table.lookback)
    too_short = dict(load_panel(table).skipped.select("ticker", "reason").rows())
    if keys.is_empty():
        ticker, reason = next(iter(too_short.items()))
        msg = f"No ticker has a complete window; {ticker}: {reason}"
        raise NotEnoughHistoryError(msg)
    sessions_of = SessionsByTicker.of_home(settings)
    undated = _undated(keys, sessions_of) | _not_finite(keys, windows)
    is_dated = ~keys["ticker"].is_in(list(undated))
    keys, windows = keys.filter(is_dated), windows[is_dated.to_numpy()]
    if keys.is_empty():
        raise BarsError(list_left_out(undated))
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
        skipped=_reasons(keys, too_short | undated | table.left_out, unusable),
        prices=pack_prices(table.adjusted, keys.with_columns(close=close)),
        names=read_names(settings.universe) if settings.universe else {},
    )


def _reasons(
    published: pl.DataFrame, skipped: Mapping[str, str], unusable: Mapping[str, str]
) -> dict[str, str]:
    """Return why each ticker without a forecast is left out; the bars are the earlier cause."""
    reasons = {**skipped, **unusable}
    return {t: reason for t, reason in reasons.items() if t not in {*published["ticker"]}}


def _undated(keys: pl.DataFrame, sessions_of: SessionsByTicker) -> dict[str, str]:
    """Return the tickers with unknown target sessions, and the reasons."""
    as_of = dict(keys.rows())

    def check(ticker: str) -> None:
        sessions = sessions_of(ticker)
        if not sessions.is_session(as_of[ticker]):
            msg = (
                f"its newest window ends on {as_of[ticker]}, which is not a session of "
                f"{sessions.exchange}: its bars were ingested with another calendar."
            )
            raise BarsError(msg)
        for horizon in HORIZONS:
            sessions.offset(as_of[ticker], horizon)

    return find_faulty(as_of, check)


def _not_finite(keys: pl.DataFrame, windows: NDArray[np.float32]) -> dict[str, str]:
    """Return the tickers with infinite values in their newest window, and the reason."""
    is_finite = np.isfinite(windows).all(axis=(1, 2))
    reason = "a feature of its newest window is infinite; check its prices and volumes."
    return dict.fromkeys(keys["ticker"].filter(pl.Series(~is_finite)), reason)
