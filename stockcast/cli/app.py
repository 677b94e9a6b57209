"""The commands of `stockcast`; each one loads the settings and calls one function."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from core.errors import StockcastError
from core.settings import load_settings
from stockcast.cli.settings import CommandSettings

if TYPE_CHECKING:
    from registry.versions import ModelRegistry

app = typer.Typer(
    help="Calibrated stock forecasts in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# A log file or a pipe has no width.
console = Console(width=None if sys.stdout.isatty() else 120)

Home = Annotated[
    Path | None, typer.Option(help="Folder for all files that Stockcast writes; by default ./var.")
]
Reason = Annotated[str, typer.Option(help="Reason of the change, for the audit trail.")]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Print an expected error as one message and exit with status 1."""
    try:
        yield
    except StockcastError as error:
        message = f"[bold red]error:[/] {escape(str(error))}"
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _hide_warnings() -> None:
    """Hide warnings that libraries address to developers."""
    import warnings

    from dagster import BetaWarning, PreviewWarning

    for category in (BetaWarning, PreviewWarning, DeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)


def _registry(settings: CommandSettings) -> "ModelRegistry":
    from registry.versions import ModelRegistry

    return ModelRegistry.from_settings(settings)


@app.command()
def run(
    bars: Annotated[
        str | None, typer.Option(help="Folder or glob of CSV or Parquet files with your bars.")
    ] = None,
    home: Home = None,
    tickers: Annotated[
        str | None, typer.Option(help="Comma-separated tickers; by default all tickers.")
    ] = None,
    *,
    serve: Annotated[
        bool, typer.Option(help="Start the service at the end and fetch forecasts.")
    ] = True,
) -> None:
    """Run the main job, from bars to a promoted version and forecasts over HTTP."""
    _hide_warnings()
    from stockcast.cli.run import run_main_job

    with _plain_errors():
        provider = "files" if bars else None
        settings = load_settings(
            CommandSettings, bars=bars, home=home, tickers=tickers, provider=provider
        )
        run_main_job(settings, console, serve=serve)


@app.command()
def ingest(
    tickers: Annotated[
        str | None,
        typer.Option(help="Comma-separated tickers, even if they are up to date."),
    ] = None,
    home: Home = None,
) -> None:
    """Fetch the bars, splits and dividends that are due, within the budget of the key."""
    _hide_warnings()
    from stockcast.cli.ingest import ingest_now

    with _plain_errors():
        ingest_now(load_settings(CommandSettings, home=home), console, only=tickers)


@app.command()
def quota(home: Home = None) -> None:
    """Show the budget and the health of each provider, and whether the key is sufficient."""
    _hide_warnings()
    from stockcast.cli.market_tables import print_quota

    with _plain_errors():
        print_quota(console, load_settings(CommandSettings, home=home))


@app.command()
def up(home: Home = None) -> None:
    """Start Dagster, MLflow and the forecast service, and print their addresses."""
    from stockcast.cli.up import run_all

    with _plain_errors():
        run_all(load_settings(CommandSettings, home=home), console)


@app.command()
def models(home: Home = None) -> None:
    """List the registered versions with their scores and aliases.

    If the champion was moved in the MLflow UI, this adds the move to the audit trail.
    """
    from registry.promotion.aliases import reconcile
    from stockcast.cli.model_tables import print_versions

    with _plain_errors():
        registry = _registry(load_settings(CommandSettings, home=home))
        if registry.list():
            reconcile(registry)
        print_versions(console, registry)


@app.command()
def promote(version: int, reason: Reason, home: Home = None) -> None:
    """Make VERSION the champion regardless of the gates; the service loads it within seconds."""
    from registry.promotion.aliases import promote as promote_version

    with _plain_errors():
        registry = _registry(load_settings(CommandSettings, home=home))
        promote_version(registry, version, reason, actor=getpass.getuser())
        console.print(f"Version {version} is the champion.")


@app.command()
def rollback(reason: Reason, home: Home = None) -> None:
    """Make the previous champion the champion again."""
    from registry.promotion.aliases import rollback as roll_back

    with _plain_errors():
        registry = _registry(load_settings(CommandSettings, home=home))
        move = roll_back(registry, reason, actor=getpass.getuser())
        console.print(f"Version {move.to_version} is the champion again.")
