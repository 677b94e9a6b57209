"""`stockcast ingest`: fetch the bars and corporate actions that are due."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import dagster as dg
from rich.console import Console

from core.clock import Clock
from core.errors import PermanentError, SettingsError
from core.tickers import check_ticker
from market.calendars.exchanges import SessionsByTicker, warn_of_ending_calendars
from pipelines.definitions import build_defs
from pipelines.partitions import RANGE_END, RANGE_START, follow_universe, universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings
from stockcast.cli.job_runs import (
    cause_of,
    exclusive_command,
    execute,
    failed_for_tickers,
    was_stopped,
)
from stockcast.cli.output.market_tables import (
    print_capacity_warning,
    print_outcomes,
    print_provider_notes,
    print_removed,
)
from stockcast.cli.output.progress import LOGGER_KEY, IngestProgress, as_logger

JOB = "ingest_job"


def ingest_now(
    settings: PipelineSettings,
    console: Console,
    *,
    only: str | None = None,
    clock: Clock | None = None,
) -> None:
    """Ingest the followed tickers that are due, and print the outcome of each.

    Parameters
    ----------
    only
        Comma-separated tickers. They are ingested even if they are up to date; others are not.

    Raises
    ------
    SettingsError
        If `only` contains a ticker that is not followed.
    StockcastError
        If no ticker could be ingested.
    """
    resources = build_resources(settings, clock)
    followed = universe(settings, resources["provider"])
    chosen = _chosen(only, followed)
    print_capacity_warning(console, settings, len(followed))
    sessions_of = SessionsByTicker.of_home(settings)
    for warning in warn_of_ending_calendars(followed, sessions_of, resources["clock"].now()):
        console.print(warning, style="yellow", highlight=False, markup=False, soft_wrap=True)
    progress = IngestProgress(console)
    definitions = build_defs(
        settings,
        loggers={LOGGER_KEY: as_logger(progress)},
        resources={**resources, "listener": progress},
    )
    with exclusive_command(settings, "ingest") as instance:
        print_removed(console, follow_universe(instance, followed)[1])
        ranges = partition_ranges(instance.get_dynamic_partitions("tickers"), chosen)
        with progress.bar(tickers=len(chosen)):
            failed = _run_all(definitions, instance, ranges, force=only is not None)
    print_provider_notes(console, resources["provider"])
    has_success = any(outcome.outcome != "failed" for outcome in progress.outcomes)
    if has_success:
        print_outcomes(console, progress.outcomes, resources["bar_store"].last_sessions())
    # The table already shows the tickers that failed, if others were ingested.
    if failed and not (has_success and all(map(failed_for_tickers, failed))):
        raise PermanentError("\n".join(map(cause_of, failed)))


def _run_all(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    ranges: Sequence[Mapping[str, str]],
    *,
    force: bool,
) -> list[dg.ExecuteInProcessResult]:
    """Run the job for each range until a person stops it, and return the failed runs."""
    failed = []
    for tags in ranges:
        result = execute(
            definitions, JOB, instance=instance, partitions=tags, command="ingest", force=force
        )
        failed += [] if result.success else [result]
        if was_stopped(result):
            break
    return failed


def partition_ranges(partitions: Sequence[str], chosen: Collection[str]) -> list[dict[str, str]]:
    """Return the tags of the smallest number of runs that cover the chosen partitions.

    One run covers a range of adjacent partitions.
    """
    ranges = [
        list(adjacent)
        for is_chosen, adjacent in groupby(partitions, set(chosen).__contains__)
        if is_chosen
    ]
    return [{RANGE_START: part[0], RANGE_END: part[-1]} for part in ranges]


def _chosen(only: str | None, followed: Sequence[str]) -> list[str]:
    if only is None:
        return list(followed)
    chosen = [check_ticker(part.strip()) for part in only.split(",") if part.strip()]
    if unknown := [ticker for ticker in chosen if ticker not in set(followed)]:
        msg = (
            f"--tickers contains {', '.join(unknown)}, which Stockcast does not follow; add it to "
            f"STOCKCAST_TICKERS or to the file of STOCKCAST_UNIVERSE."
        )
        raise SettingsError(msg)
    return list(dict.fromkeys(chosen))
