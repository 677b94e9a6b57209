"""The commands of `stockcast`; each one loads the settings and calls one function."""

import shutil
from typing import Annotated

import typer

from stockcast.cli.keys import keys
from stockcast.cli.output.console import make_console, prepare_streams, print_line
from stockcast.cli.preflight import Home, command, user_name

MIN_BOX_WIDTH = 60

app = typer.Typer(
    help="Calibrated stock forecasts in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys, name="keys")

Reason = Annotated[str, typer.Option(help="Reason of the change, for the audit trail.")]


def main() -> None:
    """Run the command line."""
    prepare_streams()
    columns = shutil.get_terminal_size().columns
    if columns >= MIN_BOX_WIDTH:
        app()
        return
    # In narrow terminals the boxes of the help cut names of options.
    app.rich_markup_mode = keys.rich_markup_mode = None
    app(terminal_width=columns)


def _hide_warnings() -> None:
    """Hide warnings that libraries address to developers."""
    import warnings

    from dagster import BetaWarning, PreviewWarning

    for category in (BetaWarning, PreviewWarning, DeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)


@app.command()
def run(
    bars: Annotated[
        str | None, typer.Option(help="Folder or glob of your files, such as CSV or Parquet.")
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
    provider = "files" if bars else None
    with command(home=home, bars=bars, tickers=tickers, provider=provider) as settings:
        _hide_warnings()
        from stockcast.cli.run import run_main_job

        run_main_job(settings, make_console(), serve=serve)


@app.command()
def refresh(home: Home = None) -> None:
    """Bring the forecasts up to date without training: ingest, features and drift report."""
    with command(home=home) as settings:
        _hide_warnings()
        from stockcast.cli.run import refresh as refresh_forecasts

        refresh_forecasts(settings, make_console())


@app.command()
def ingest(
    tickers: Annotated[
        str | None,
        typer.Option(help="Comma-separated tickers, even if they are up to date."),
    ] = None,
    home: Home = None,
) -> None:
    """Fetch the bars, splits and dividends that are due, within the budget of the key."""
    with command(home=home) as settings:
        _hide_warnings()
        from stockcast.cli.ingest import ingest_now

        ingest_now(settings, make_console(), only=tickers)


@app.command()
def quota(home: Home = None) -> None:
    """Show the budget and the health of each provider, and whether the key is sufficient."""
    with command(home=home) as settings:
        _hide_warnings()
        from stockcast.cli.output.market_tables import print_quota

        print_quota(make_console(), settings)


@app.command()
def up(home: Home = None) -> None:
    """Start Dagster, MLflow and the forecast service, and print their addresses."""
    with command(home=home) as settings:
        from stockcast.cli.up import run_all

        run_all(settings, make_console())


@app.command()
def models(home: Home = None) -> None:
    """List the registered versions with their scores and aliases.

    If the champion was moved in the MLflow UI, this adds the move to the audit trail.
    """
    with command(home=home) as settings:
        from registry.promotion.aliases import reconcile
        from registry.versions import ModelRegistry
        from stockcast.cli.output.model_tables import print_versions

        registry = ModelRegistry.from_settings(settings)
        if registry.list():
            reconcile(registry)
        print_versions(make_console(), registry)


@app.command()
def promote(version: int, reason: Reason, home: Home = None) -> None:
    """Make VERSION the champion regardless of the gates; the service loads it within seconds."""
    with command(home=home) as settings:
        from registry.promotion.aliases import promote as promote_version
        from registry.versions import ModelRegistry

        registry = ModelRegistry.from_settings(settings)
        promote_version(registry, version, reason, actor=user_name())
        print_line(make_console(), f"Version {version} is the champion.")


@app.command()
def rollback(reason: Reason, home: Home = None) -> None:
    """Make the previous champion the champion again."""
    with command(home=home) as settings:
        from registry.promotion.aliases import rollback as roll_back
        from registry.versions import ModelRegistry

        move = roll_back(ModelRegistry.from_settings(settings), reason, actor=user_name())
        print_line(make_console(), f"Version {move.to_version} is the champion again.")
