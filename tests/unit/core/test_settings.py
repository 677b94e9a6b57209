from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings, as_environment, load_settings
from market.providers.factory import make_provider
from market.providers.files.provider import FilesProvider
from market.providers.sample import SampleProvider


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env file of the machine reaches these tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOCKCAST_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_valid_and_write_below_one_folder(tmp_path: Path) -> None:
    settings = load_settings()

    assert settings.home == tmp_path / "var"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/var/mlflow/mlflow.db"


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_TICKERS", " aapl, BRK.B,aapl ,")
    monkeypatch.setenv("STOCKCAST_N_FOLDS", "6")

    settings = load_settings(n_folds=8, seed=None)

    assert settings.tickers == ("AAPL", "BRK.B")
    assert settings.n_folds == 8
    assert settings.seed == 7


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_PORT", "")

    assert load_settings().port == 3000


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
def test_a_wrong_value_is_refused_with_variable_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"STOCKCAST_{name}", value)

    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_every_wrong_value_has_its_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(port=0, lookback=1)

    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["STOCKCAST_LOOKBACK", "STOCKCAST_PORT"]
    assert all(line.endswith(".") for line in lines)


def test_a_password_does_not_reach_the_message() -> None:
    with pytest.raises(SettingsError, match=r"//\*\*\*@db") as caught:
        load_settings(mlflow_tracking_uri="oracle://me:secret@db/mlflow")

    assert "secret" not in str(caught.value)


def test_an_unknown_variable_is_refused_with_a_near_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_LOOKBAK", "30")

    with pytest.raises(SettingsError, match=r"LOOKBAK is not .* Did you mean STOCKCAST_LOOKBACK\?"):
        load_settings()


def test_the_env_file_is_read_and_an_unknown_name_in_it_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STOCKCAST_PORT=4000\nOTHER=1\n")
    assert load_settings().port == 4000

    (tmp_path / ".env").write_text("STOCKCAST_PROT=4000\n")
    with pytest.raises(SettingsError, match=r"Did you mean STOCKCAST_PORT\?"):
        load_settings()


def test_an_argument_that_is_no_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_LOOK_BACK is not a setting"):
        load_settings(look_back=30)


def test_files_without_bars_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^STOCKCAST_BARS must name a folder or glob"):
        load_settings(provider="files")


def test_bars_beside_another_provider_are_refused() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_BARS names files, but 'files' is neither"):
        load_settings(bars="data/*.csv")


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with pytest.raises(SettingsError, match=r"STOCKCAST_HOME: .* must be a folder"):
        load_settings(home="home")


def test_bars_stay_the_same_from_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load_settings(provider="files", bars="data/*.csv")

    monkeypatch.chdir("/")

    assert settings.bars == str(tmp_path / "data" / "*.csv")


def test_another_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(provider="files", bars="data", tickers="AAPL,IBM", seed=3)

    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)

    assert load_settings() == settings


def test_the_provider_asked_for_is_made() -> None:
    assert isinstance(make_provider(load_settings()), SampleProvider)

    files = make_provider(load_settings(provider="files", bars="data"))
    assert isinstance(files, FilesProvider)


def test_an_unknown_exchange_is_refused_when_the_provider_is_made() -> None:
    settings = load_settings(provider="files", bars="data", exchange="NYSX")

    with pytest.raises(SettingsError, match="`exchange` must be a MIC code"):
        make_provider(settings)


KEY = "DEMO-KEY-DO-NOT-SHOW"


@pytest.fixture
def alpha_vantage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_PROVIDER", "alpha_vantage")
    monkeypatch.setenv("STOCKCAST_ALPHA_VANTAGE_KEY", KEY)


@pytest.mark.usefixtures("alpha_vantage")
def test_a_provider_that_cannot_list_its_tickers_needs_them_named() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_TICKERS or STOCKCAST_UNIVERSE must name"):
        load_settings()

    assert load_settings(tickers="IBM").tickers == ("IBM",)
    assert load_settings(universe="mine.txt").universe == Path.cwd() / "mine.txt"


def test_alpha_vantage_needs_a_key_and_is_told_where_one_comes_from() -> None:
    with pytest.raises(SettingsError, match="a free one comes from https://"):
        load_settings(provider="alpha_vantage", tickers="IBM")


@pytest.mark.usefixtures("alpha_vantage")
def test_the_key_is_in_no_text_of_the_settings_and_in_no_error() -> None:
    settings = load_settings(tickers="IBM")

    assert KEY not in f"{settings!r} {settings} {settings.model_dump()}"
    with pytest.raises(SettingsError) as caught:
        load_settings(tickers="IBM", port=0, alpha_vantage_key=["wrong", KEY])
    assert KEY not in str(caught.value)


@pytest.mark.usefixtures("alpha_vantage")
def test_another_process_gets_the_same_key() -> None:
    assert as_environment(load_settings(tickers="IBM"))["STOCKCAST_ALPHA_VANTAGE_KEY"] == KEY


def test_backups_are_asked_after_the_provider_and_do_not_repeat_it(tmp_path: Path) -> None:
    settings = load_settings(provider="yahoo", tickers="IBM", backups="files", bars=str(tmp_path))

    assert settings.providers == ("yahoo", "files")
    with pytest.raises(SettingsError, match="STOCKCAST_BACKUPS names the provider itself"):
        load_settings(provider="yahoo", tickers="IBM", backups="yahoo")
    with pytest.raises(SettingsError, match="set one of them"):
        load_settings(provider="yahoo", tickers="IBM", universe="mine.txt")
