"""Jobs: the assets that run together. Schedules and sensors start them."""

import dagster as dg

daily_job = dg.define_asset_job(
    "daily_job",
    selection=dg.AssetSelection.assets(
        "daily_bars", "feature_table", "feature_snapshot", "drift_report"
    ),
    description="Ingest the last session, publish the feature windows and measure drift.",
)

training_job = dg.define_asset_job(
    "training_job",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets("daily_bars"),
    description="Train on the stored bars, register the candidate and decide on its promotion.",
)

everything_job = dg.define_asset_job(
    "everything_job",
    selection=dg.AssetSelection.all(),
    description="All assets, from bars to a promoted version.",
)

ingest_job = dg.define_asset_job(
    "ingest_job",
    selection=dg.AssetSelection.assets("daily_bars"),
    description="Ingest the bars of one or more tickers.",
)
