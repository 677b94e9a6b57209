"""Asset from features to serving: the snapshot of the newest windows."""

from collections.abc import Iterator, Mapping

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from core.errors import BarsError, NotEnoughHistoryError
from core.isolation import find_faulty
from forecasting.features.feature_set import FeatureSet, feature_set
from forecasting.horizons import HORIZONS
from forecasting.price_history import pack_prices
from forecasting.samples.windows import latest_windows
from forecasting.snapshot import SNAPSHOT_FOLDER, Snapshot, write_snapshot
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.ingest.universe import read_names
from market.store import BarStore
from pipelines.failures import classed_failures
from pipelines.reporting.tables import markdown_table, reasons_table
from pipelines.settings import PipelineSettings
from pipelines.stages.feature_table import FeatureTable
from pipelines.stages.samples import load_panel
from pipelines.stages.store import Stage
from pipelines.stages.usable_tickers import find_unusable, list_left_out


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
            "left_out": dg.MetadataValue.md(reasons_table(snapshot.skipped)),
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
