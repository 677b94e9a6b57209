"""Asset from bars to features: the table that models train on."""

from collections.abc import Mapping, Sequence
from functools import partial

import dagster as dg
import polars as pl

from core.errors import BarsError, NotEnoughHistoryError
from core.isolation import run_isolated
from forecasting.features.feature_set import FeatureSet, compute_features, feature_set
from market.bars.adjustments import adjust_bars
from market.bars.quarantine import Quarantine
from market.quality.report import unusable_tickers
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS
from pipelines.failures import classed_failures
from pipelines.reporting.tables import markdown_table, reasons_table
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
            "left_out": dg.MetadataValue.md(reasons_table(left_out)),
            "shortened": dg.MetadataValue.md(reasons_table(result.shortened)),
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
