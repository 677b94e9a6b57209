"""Loading, name checks and error texts, shown with the settings of whole processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.settings import clear_settings

from core.errors import SettingsError
from core.settings import CoreSettings, all_settings, as_environment, load_settings
from serving.settings import ServingSettings
from stockcast.cli.settings import CommandSettings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clear_settings(monkeypatch, tmp_path)


def test_the_home_is_absolute_and_is_var_by_default(tmp_path: Path) -> None:
    assert load_settings(CoreSettings).home == tmp_path / "var"


def test_arguments_take_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_N_FOLDS", "6")
    monkeypatch.setenv("STOCKCAST_LOOKBACK", "30")

    settings = load_settings(CommandSettings, n_folds=8, seed=None)

    assert (settings.n_folds, settings.lookback, settings.seed) == (8, 30, 7)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_PORT", "")

    assert load_settings(ServingSettings).port == 3000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "STOCKCAST_PORT: got 'http': .* valid integer"),
        ("PORT", "0", "STOCKCAST_PORT: got '0': .* greater than or equal to 1"),
        ("PURGED_SIZE", "5", "STOCKCAST_PURGED_SIZE: got '5': .* greater than or equal to 21"),
        ("N_FOLDS", "3", "STOCKCAST_N_FOLDS: got '3': .* greater than or equal to 4"),
        ("PROVIDER", "stooq", r"STOCKCAST_PROVIDER: got .stooq.: .*files"),
        ("TICKERS", "AAPL,../x", r"STOCKCAST_TICKERS: got .* letters, digits .* got '\.\./x'"),
        ("MLFLOW_TRACKING_URI", "mlruns", "STOCKCAST_MLFLOW_TRACKING_URI: .* sqlite:///, http"),
        ("MODEL_NAME", "a b", "STOCKCAST_MODEL_NAME: got 'a b': .* pattern"),
    ],
)
def test_an_invalid_value_is_refused_with_variable_value_and_allowed_range(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"STOCKCAST_{name}", value)

    with pytest.raises(SettingsError, match=message):
        load_settings(CommandSettings)


def test_every_invalid_value_has_its_own_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(CommandSettings, port=0, lookback=1)

    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["STOCKCAST_LOOKBACK", "STOCKCAST_PORT"]
    assert all(line.endswith(".") for line in lines)


def test_a_password_is_masked_in_the_message() -> None:
    with pytest.raises(SettingsError, match=r"//\*\*\*@db") as caught:
        load_settings(CommandSettings, mlflow_tracking_uri="oracle://me:secret@db/mlflow")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("settings_class", [CoreSettings, ServingSettings, CommandSettings])
def test_a_misspelt_variable_is_refused_with_a_near_name(
    monkeypatch: pytest.MonkeyPatch, settings_class: type[CoreSettings]
) -> None:
    monkeypatch.setenv("STOCKCAST_LOOKBAK", "30")

    with pytest.raises(SettingsError, match=r"LOOKBAK is not .* Did you mean STOCKCAST_LOOKBACK\?"):
        load_settings(settings_class)


def test_a_variable_of_another_process_is_neither_refused_nor_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STOCKCAST_DAGSTER_PORT", "4001")
    monkeypatch.setenv("STOCKCAST_N_FOLDS", "not a number")

    assert not hasattr(load_settings(ServingSettings), "n_folds")


def test_the_env_file_is_read_and_a_misspelt_name_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STOCKCAST_PORT=4000\nOTHER=1\n")
    assert load_settings(ServingSettings).port == 4000

    (tmp_path / ".env").write_text("STOCKCAST_PROT=4000\n")
    with pytest.raises(SettingsError, match=r"Did you mean STOCKCAST_PORT\?"):
        load_settings(ServingSettings)


def test_an_argument_that_is_not_a_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_LOOK_BACK is not a setting"):
        load_settings(CommandSettings, look_back=30)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with pytest.raises(SettingsError, match=r"STOCKCAST_HOME: .* must be a folder"):
        load_settings(CoreSettings, home="home")


@pytest.mark.parametrize("home", ["what?now", "100%25 sure", "a%2Fb", "line\nbreak", "~no-one/x"])
def test_a_home_that_databases_cannot_be_addressed_in_is_refused(home: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(CoreSettings, home=home)

    assert str(refused.value).startswith(f"STOCKCAST_HOME: got {home!r}: ")
    assert not Path(home).exists()


@pytest.mark.parametrize("home", ["with space", "100% sure", "50%", "äöü 株", "a#b;c&d=e"])
def test_a_home_with_other_unusual_characters_is_accepted(home: str, tmp_path: Path) -> None:
    assert load_settings(CoreSettings, home=home).home == tmp_path / home


def test_an_env_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"STOCKCAST_HOME=\xff\n")

    with pytest.raises(SettingsError, match=r"^The file \.env cannot be read as UTF-8"):
        load_settings(CoreSettings)


def test_the_variables_of_a_process_give_another_the_same_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings(
        CommandSettings, provider="files", bars="data", tickers="AAPL,IBM", seed=3
    )

    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)

    assert load_settings(CommandSettings) == settings


def test_the_settings_of_the_command_line_contain_those_of_all_packages() -> None:
    for package in ("market", "forecasting", "registry", "pipelines", "serving"):
        __import__(f"{package}.settings")

    assert set(_subclasses(CoreSettings)) <= {*all_settings().__mro__}


def test_the_name_check_imports_no_platform() -> None:
    program = (
        "import sys; from core.settings import all_settings; all_settings();"
        "heavy = {'dagster', 'mlflow', 'bentoml', 'polars', 'numpy', 'typer', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert run.stdout.strip() == "[]"


def _subclasses(parent: type[CoreSettings]) -> list[type[CoreSettings]]:
    children = parent.__subclasses__()
    return [*children, *(grandchild for child in children for grandchild in _subclasses(child))]
