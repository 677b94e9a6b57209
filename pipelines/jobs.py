"""Which assets run together. When they run is said in schedules and sensors."""

import dagster as dg

daily_job = dg.define_asset_job(
    "daily_job",
    selection=dg.AssetSelection.assets(
        "daily_bars", "feature_table", "feature_snapshot", "drift_report"
    ),
    description="After the close: take in the session, publish its windows, look for drift.",
)

training_job = dg.define_asset_job(
    "training_job",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets("daily_bars"),
    description="Train on the stored bars, register the candidate, decide on its promotion.",
)

everything_job = dg.define_asset_job(
    "everything_job",
    selection=dg.AssetSelection.all(),
    description="The whole sentence: from bars to a promoted version.",
)

ingest_job = dg.define_asset_job(
    "ingest_job",
    selection=dg.AssetSelection.assets("daily_bars"),
    description="Take in the bars of one ticker or of several.",
)
