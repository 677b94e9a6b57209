"""`stockcast keys`: create, list and revoke."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from serving.protection.keys import KeyStore
from stockcast.cli.app import app


def call(*arguments: str, home: Path) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error."""
    done = CliRunner().invoke(app, ["keys", *arguments, "--home", str(home)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout.strip(), done.stderr.strip()


def test_a_key_is_shown_once_and_then_only_listed(tmp_path: Path) -> None:
    status, key, note = call("create", "web app", "--scope", "admin", "--days", "9", home=tmp_path)
    assert status == 0
    assert "not shown again" in note
    (stored,) = KeyStore(tmp_path).list()
    assert key.startswith(f"sc_{stored.id}_")
    assert stored.scope == "admin"
    _, listed, _ = call("list", home=tmp_path)
    assert "web app" in listed
    assert "valid" in listed
    assert key.split("_", 2)[2] not in listed


def test_a_revoked_key_stays_in_the_list(tmp_path: Path) -> None:
    call("create", "app", home=tmp_path)
    (stored,) = KeyStore(tmp_path).list()
    assert call("revoke", stored.id, home=tmp_path) == (0, f"Key {stored.id} is revoked.", "")
    assert "revoked" in call("list", home=tmp_path)[1]
    status, _, error = call("revoke", stored.id, home=tmp_path)
    assert status == 1
    assert "stockcast keys list" in " ".join(error.split())


def test_an_unknown_scope_is_refused_with_the_choices(tmp_path: Path) -> None:
    status, _, error = call("create", "app", "--scope", "write", home=tmp_path)
    assert status == 1
    assert "`scope` must be one of read, admin, got 'write'." in " ".join(error.split())


def test_a_home_without_keys_names_the_command(tmp_path: Path) -> None:
    assert "stockcast keys create" in call("list", home=tmp_path)[1]
