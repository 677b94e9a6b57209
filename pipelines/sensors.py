"""What happens because something changed: drift asks for retraining, the universe for ingestion."""

import dagster as dg

from market.providers.base import Provider
from market.settings import Settings
from pipelines.jobs import ingest_job, training_job
from pipelines.partitions import tickers, universe


@dg.asset_sensor(
    asset_key=dg.AssetKey("drift_report"),
    job=training_job,
    name="drift_sensor",
    description="Asks for retraining when too many features drifted; once a state of the data.",
)
def drift_sensor(
    context: dg.SensorEvaluationContext,
    asset_event: dg.EventLogEntry,
    settings: dg.ResourceParam[Settings],
) -> dg.RunRequest | dg.SkipReason:
    """Ask for retraining, with a run key that Dagster remembers for this state of the data."""
    materialization = asset_event.asset_materialization
    if materialization is None:
        return dg.SkipReason("The drift report was observed, not made.")
    share = float(materialization.metadata["drift_share"].value)  # type: ignore[arg-type]
    data = str(materialization.metadata["data_fingerprint"].value)
    if share < settings.drift_share:
        return dg.SkipReason(
            f"{share:.0%} of the features drifted; {settings.drift_share:.0%} ask for retraining."
        )
    context.log.info(f"{share:.0%} of the features drifted: asking for retraining.")
    return dg.RunRequest(run_key=f"drift-{data}", tags={"stockcast/reason": f"drift {share:.0%}"})


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=60,
    description="Keeps the partitions equal to the followed tickers, and takes in the new ones.",
)
def universe_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    provider: dg.ResourceParam[Provider],
) -> dg.SensorResult | dg.SkipReason:
    """Add the partitions of new tickers and drop those of old ones; their history is kept."""
    wanted = set(universe(settings, provider))
    present = set(context.instance.get_dynamic_partitions("tickers"))
    added, removed = sorted(wanted - present), sorted(present - wanted)
    if not added and not removed:
        return dg.SkipReason(f"All {len(wanted)} tickers are followed.")
    requests = []
    if added:
        requests.append(tickers.build_add_request(added))
    if removed:
        requests.append(tickers.build_delete_request(removed))  # type: ignore[arg-type]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=ticker) for ticker in added],
        dynamic_partitions_requests=requests,
    )
