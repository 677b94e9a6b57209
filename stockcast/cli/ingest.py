"""`stockcast ingest`: what is due of the followed tickers, now, with a bar and a table."""

from collections.abc import Collection, Sequence
from itertools import groupby

from rich.console import Console

from core.clock import Clock
from core.errors import PermanentError, SettingsError
from core.tickers import check_ticker
from pipelines.definitions import build_defs
from pipelines.partitions import RANGE_END, RANGE_START, follow_universe, universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings
from stockcast.cli.job_runs import (
    cause_of,
    execute,
    failed_for_tickers,
    sole_command,
    was_stopped,
)
from stockcast.cli.market_printouts import print_advice, print_batch
from stockcast.cli.progress import LOGGER_KEY, IngestProgress, as_logger

JOB = "ingest_job"


def ingest_now(
    settings: PipelineSettings,
    console: Console,
    *,
    only: str | None = None,
    clock: Clock | None = None,
) -> None:
    """Take in what is due of the followed tickers, or of `only` some of them.

    Raises
    ------
    SettingsError
        When `only` names a ticker that is not followed.
    StockcastError
        When nothing could be taken in.
    """
    resources = build_resources(settings, clock)
    followed = universe(settings, resources["provider"])
    chosen = _chosen(only, followed)
    print_advice(console, settings, len(followed))
    progress = IngestProgress(console)
    definitions = build_defs(
        settings,
        loggers={LOGGER_KEY: as_logger(progress)},
        resources={**resources, "listener": progress},
    )
    with sole_command(settings, "ingest") as instance:
        follow_universe(instance, followed)
        partitions = instance.get_dynamic_partitions("tickers")
        failed = []
        with progress.over(tickers=len(chosen)):
            for tags in stretches(partitions, chosen):
                result = execute(
                    definitions,
                    JOB,
                    instance=instance,
                    partitions=tags,
                    command="ingest",
                    force=only is not None,
                )
                failed += [] if result.success else [result]
                if was_stopped(result):
                    break
    some_answered = any(outcome.outcome != "failed" for outcome in progress.outcomes)
    if some_answered:
        print_batch(console, progress.outcomes, resources["bar_store"].last_sessions())
    # Where others were taken in, the table tells enough of those that failed.
    if failed and not (some_answered and all(map(failed_for_tickers, failed))):
        raise PermanentError("\n".join(map(cause_of, failed)))


def _chosen(only: str | None, followed: Sequence[str]) -> list[str]:
    if only is None:
        return list(followed)
    chosen = [check_ticker(part.strip()) for part in only.split(",") if part.strip()]
    if unknown := [ticker for ticker in chosen if ticker not in set(followed)]:
        msg = (
            f"--tickers names {', '.join(unknown)}, which Stockcast does not follow; add it to "
            f"STOCKCAST_TICKERS, or to the file that STOCKCAST_UNIVERSE names."
        )
        raise SettingsError(msg)
    return list(dict.fromkeys(chosen))


def stretches(partitions: Sequence[str], chosen: Collection[str]) -> list[dict[str, str]]:
    """Return the tags of as few runs as can be: one takes partitions that are neighbours."""
    found = [
        list(neighbours)
        for is_chosen, neighbours in groupby(partitions, set(chosen).__contains__)
        if is_chosen
    ]
    return [{RANGE_START: part[0], RANGE_END: part[-1]} for part in found]
