from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import clear_settings

from core.errors import SettingsError
from core.settings import as_environment, load_settings
from market.providers.factory import make_provider
from market.providers.files.provider import FilesProvider
from market.providers.sample.provider import SampleProvider
from market.settings import MarketSettings

KEY = "DEMO-KEY-DO-NOT-SHOW"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clear_settings(monkeypatch, tmp_path)


@pytest.fixture
def alpha_vantage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_PROVIDER", "alpha_vantage")
    monkeypatch.setenv("STOCKCAST_ALPHA_VANTAGE_KEY", KEY)


def test_tickers_are_stripped_capitalised_and_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKCAST_TICKERS", " aapl, BRK.B,aapl ,")

    assert load_settings(MarketSettings).tickers == ("AAPL", "BRK.B")


def test_the_files_provider_requires_bars() -> None:
    with pytest.raises(SettingsError, match=r"^STOCKCAST_BARS must name a folder or glob"):
        load_settings(MarketSettings, provider="files")


def test_named_columns_are_pairs_of_a_column_of_a_bar_and_a_name() -> None:
    settings = load_settings(MarketSettings, columns="close=Ending Price, volume = Pieces")

    assert settings.columns == ("close=Ending Price", "volume = Pieces")
    for wrong in ("ending=Close", "close=", "close"):
        with pytest.raises(SettingsError, match=r"STOCKCAST_COLUMNS.* pairs such as close=Ending"):
            load_settings(MarketSettings, columns=wrong)


def test_bars_are_refused_when_no_provider_reads_them() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_BARS names files, but 'files' is neither"):
        load_settings(MarketSettings, bars="data/*.csv")


def test_bars_stay_the_same_from_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load_settings(MarketSettings, provider="files", bars="data/*.csv")

    monkeypatch.chdir("/")

    assert settings.bars == str(tmp_path / "data" / "*.csv")


def test_the_chosen_provider_is_made() -> None:
    assert isinstance(make_provider(load_settings(MarketSettings)), SampleProvider)

    files = make_provider(load_settings(MarketSettings, provider="files", bars="data"))
    assert isinstance(files, FilesProvider)


def test_an_unknown_exchange_is_refused_when_the_provider_is_made() -> None:
    settings = load_settings(MarketSettings, provider="files", bars="data", exchange="NYSX")

    with pytest.raises(SettingsError, match="`exchange` must be a MIC code"):
        make_provider(settings)


@pytest.mark.usefixtures("alpha_vantage")
def test_a_provider_that_cannot_list_its_tickers_requires_them() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_TICKERS or STOCKCAST_UNIVERSE must name"):
        load_settings(MarketSettings)

    assert load_settings(MarketSettings, tickers="IBM").tickers == ("IBM",)
    universe = load_settings(MarketSettings, universe="mine.txt").universe
    assert universe == Path.cwd() / "mine.txt"


def test_alpha_vantage_requires_a_key_and_the_error_names_its_source() -> None:
    with pytest.raises(SettingsError, match="get a free key at https://"):
        load_settings(MarketSettings, provider="alpha_vantage", tickers="IBM")


@pytest.mark.usefixtures("alpha_vantage")
def test_the_key_is_in_no_text_of_the_settings_and_in_no_error() -> None:
    settings = load_settings(MarketSettings, tickers="IBM")

    assert KEY not in f"{settings!r} {settings} {settings.model_dump()}"
    with pytest.raises(SettingsError) as caught:
        load_settings(
            MarketSettings, tickers="IBM", provider_timeout=0, alpha_vantage_key=["wrong", KEY]
        )
    assert KEY not in str(caught.value)


@pytest.mark.usefixtures("alpha_vantage")
def test_another_process_gets_the_same_key() -> None:
    settings = load_settings(MarketSettings, tickers="IBM")

    assert as_environment(settings)["STOCKCAST_ALPHA_VANTAGE_KEY"] == KEY


def test_backups_follow_the_provider_and_do_not_repeat_it(tmp_path: Path) -> None:
    yahoo = {"provider": "yahoo", "tickers": "IBM"}

    settings = load_settings(MarketSettings, **yahoo, backups="files", bars=str(tmp_path))

    assert settings.providers == ("yahoo", "files")
    with pytest.raises(SettingsError, match="STOCKCAST_BACKUPS repeats STOCKCAST_PROVIDER"):
        load_settings(MarketSettings, **yahoo, backups="yahoo")


def test_tickers_and_universe_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="set one of them"):
        load_settings(MarketSettings, provider="yahoo", tickers="IBM", universe="mine.txt")


def test_real_moves_are_tickers_with_a_session() -> None:
    settings = load_settings(MarketSettings, real_moves="acme:2022-09-14, BRK.B:2010-01-21")

    assert settings.real_moves == ("ACME:2022-09-14", "BRK.B:2010-01-21")


@pytest.mark.parametrize("move", ["ACME", "ACME:yesterday", "A C:2022-09-14", "2022-09-14"])
def test_real_move_without_ticker_or_session_is_refused(move: str) -> None:
    with pytest.raises(SettingsError, match=r"STOCKCAST_REAL_MOVES.*TICKER:YYYY-MM-DD"):
        load_settings(MarketSettings, real_moves=move)
