"""`stockcast keys`: create, list and revoke the API keys of the forecast service."""

from datetime import timedelta
from typing import Annotated

import typer

from core.clock import SystemClock
from stockcast.cli.output.console import make_console, print_line
from stockcast.cli.preflight import Home, command

keys = typer.Typer(help="API keys of the forecast service.", no_args_is_help=True)

COLUMNS = ("id", "name", "scope", "created", "expires", "state")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the caller, for the list of keys.")],
    scope: Annotated[str, typer.Option(help="read, or admin, which includes read.")] = "read",
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until the key expires; by default never.")
    ] = None,
    home: Home = None,
) -> None:
    """Create a key and print it once."""
    with command(home=home) as settings:
        from serving.protection.keys import KeyStore

        now = SystemClock().now()
        expires_at = now + timedelta(days=days) if days else None
        key = KeyStore(settings.home).create(name, scope, now, expires_at=expires_at)
        typer.echo(key)
        message = "Keep this key: it is not shown again. A running service accepts it in a second."
        print_line(make_console(stderr=True), message)


@keys.command("list")
def list_keys(home: Home = None) -> None:
    """List all keys without their secrets."""
    with command(home=home) as settings:
        from serving.protection.keys import KeyStore
        from stockcast.cli.output.tables import print_table

        now = SystemClock().now()
        rows = [
            (
                key.id,
                key.name,
                key.scope,
                f"{key.created_at:%Y-%m-%d %H:%M}",
                f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never",
                "revoked" if key.revoked_at else "valid" if key.is_valid(now) else "expired",
            )
            for key in KeyStore(settings.home).list()
        ]
        if rows:
            print_table(make_console(), "", COLUMNS, rows)
        else:
            print_line(make_console(), "No keys; create one with `stockcast keys create NAME`.")


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as in the list.")],
    home: Home = None,
) -> None:
    """Revoke a key; running services refuse it within a second."""
    with command(home=home) as settings:
        from serving.protection.keys import KeyStore

        KeyStore(settings.home).revoke(key_id, SystemClock().now())
        print_line(make_console(), f"Key {key_id} is revoked.")
