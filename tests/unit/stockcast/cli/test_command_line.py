"""`stockcast models`, `promote` and `rollback` on a home with two versions; help and errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from rich.console import Console
from support.pipelines.command_runs import COMMAND
from support.serving.homes import TestHome
from support.terminal import run_in_terminal
from typer.testing import CliRunner

from registry.promotion.audit import read_moves
from stockcast.cli.app import app
from stockcast.cli.run import print_next_step


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home with two versions and no champion; tests use copies."""
    home = TestHome(tmp_path_factory.mktemp("command-line"))
    for seed in (1, 2):
        home.register(seed)
    return home


@pytest.fixture
def home(two_versions: TestHome, tmp_path: Path) -> TestHome:
    return two_versions.copy(tmp_path / "home")


def call(*arguments: str, home: Path) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error."""
    done = CliRunner().invoke(app, [*arguments, "--home", str(home)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout.strip(), done.stderr.strip()


def test_help_names_every_command() -> None:
    done = CliRunner().invoke(app, ["--help"])

    assert done.exit_code == 0
    for name in ("run", "refresh", "ingest", "quota", "up", "models", "promote", "rollback"):
        assert f" {name} " in done.stdout


@pytest.mark.parametrize("columns", [40, 60])
def test_help_keeps_names_of_options_and_defaults_in_a_narrow_terminal(columns: int) -> None:
    shown = run_in_terminal([str(COMMAND), "run", "--help"], columns=columns)

    assert max(map(len, shown.lines)) <= columns
    text = " ".join(" ".join(shown.lines).split())
    for option in ("--bars", "--home", "--tickers", "--serve", "--no-serve", "[default: serve]"):
        assert option in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_help_shows_every_text_and_default_of_an_option() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        done = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
        shown = "".join(done.stdout.split())
        texts = [command.help, *(parameter.help for parameter in command.params)]
        for text in filter(None, map(_one_word, texts)):
            assert text in shown
    assert "[default:serve]" in _one_word(CliRunner().invoke(app, ["run", "--help"]).stdout)


def _one_word(text: str | None) -> str:
    return "".join((text or "").replace("│", "").split())


def test_refresh_without_a_champion_is_refused_with_the_command(tmp_path: Path) -> None:
    status, _, errors = call("refresh", home=tmp_path)

    assert status == 1
    assert errors.startswith("error: There is no champion to forecast with; `stockcast run --home ")


def test_a_run_on_the_sample_prints_the_command_for_prices_of_today() -> None:
    console = Console(width=200)
    with console.capture() as output:
        print_next_step(console)

    command = output.get().splitlines()[-1]
    assert command.split()[:2] == ["STOCKCAST_PROVIDER=yahoo", "STOCKCAST_TICKERS=AAPL,MSFT"]
    assert "stockcast run --home var-yahoo" in command
    readme = (Path(__file__).parents[4] / "README.md").read_text()
    assert " ".join(command.split()[:2]) in readme[:2_000]


def test_promote_and_rollback_move_the_champion_and_print_it(home: TestHome) -> None:
    promoted = [call("promote", v, "--reason", f"why {v}", home=home.path) for v in ("1", "2")]
    rolled = call("rollback", "--reason", "too bold", home=home.path)

    assert promoted == [(0, f"Version {v} is the champion.", "") for v in (1, 2)]
    assert rolled == (0, "Version 1 is the champion again.", "")
    assert home.registry.alias_version("champion") == 1
    trail = read_moves(home.registry)
    assert [(move.action, move.reasons) for move in trail] == [
        ("promote", ("why 1",)),
        ("promote", ("why 2",)),
        ("rollback", ("too bold",)),
    ]
    assert trail[0].actor


def test_models_lists_the_versions(home: TestHome) -> None:
    status, output, _ = call("models", home=home.path)

    assert status == 0
    assert [line.split()[0] for line in output.splitlines()[-2:]] == ["2", "1"]


def test_models_adds_a_move_of_the_mlflow_ui_to_the_audit_trail(
    home: TestHome,
) -> None:
    home.move_alias("champion", 2)

    call("models", home=home.path)

    move = read_moves(home.registry)[-1]
    assert (move.action, move.to_version) == ("external", 2)


def test_the_error_for_a_missing_version_is_one_line(home: TestHome) -> None:
    status, output, errors = call("promote", "9", "--reason", "why", home=home.path)

    assert (status, output) == (1, "")
    assert errors.startswith("error: 'stockcast' has no version 9. It has 2")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("command", [("promote", "1"), ("rollback",)])
def test_a_move_without_a_reason_is_refused(home: TestHome, command: tuple[str, ...]) -> None:
    assert call(*command, home=home.path)[0] == 2

    status, _, errors = call(*command, "--reason", " ", home=home.path)
    assert status == 1
    assert errors == "error: `reason` must not be empty; it is stored in the audit trail."


def test_a_rollback_without_an_earlier_version_is_refused(tmp_path: Path) -> None:
    status, _, errors = call("rollback", "--reason", "why", home=tmp_path)

    assert status == 1
    assert "there is no champion" in errors


def test_the_error_for_an_invalid_setting_has_variable_and_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKCAST_SEED", "[/red] -1")

    status, _, errors = call("models", home=tmp_path)

    assert status == 1
    assert "STOCKCAST_SEED: got '[/red] -1'" in errors
