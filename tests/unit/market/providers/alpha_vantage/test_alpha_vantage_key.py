"""The key is in the request line and in no other place."""

import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr
from support.alpha_vantage.access import TWENTY, connect, evening_clock
from support.alpha_vantage.emulator import FREE_KEY, AlphaVantageEmulator
from support.alpha_vantage.faults import Fault
from support.market.bars import sample_bars

from core.errors import ProviderDownError, StockcastError
from market.providers.alpha_vantage.keyed_session import keyed_session


@pytest.fixture
def emulator() -> Iterator[AlphaVantageEmulator]:
    with AlphaVantageEmulator(sample_bars("AAPL", "MSFT"), evening_clock()) as service:
        yield service


def test_the_key_is_sent(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    connect(emulator, tmp_path).fetch("AAPL", TWENTY)

    assert [call.key for call in emulator.calls] == [FREE_KEY]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_only_the_request_line_has_the_key(scheme: str) -> None:
    adapter = keyed_session("apikey", SecretStr(FREE_KEY)).get_adapter(f"{scheme}://localhost/")
    pool = adapter.poolmanager.connection_from_url(f"{scheme}://localhost/")
    connection = pool._new_conn()

    connection.putrequest("GET", "/query?symbol=A&apikey=hidden&x=1")

    assert f"GET /query?symbol=A&apikey={FREE_KEY}&x=1 HTTP/1.1".encode() in connection._buffer
    assert FREE_KEY not in repr(connection) + repr(pool) + repr(vars(pool))


def test_the_key_is_sent_through_a_proxy(
    emulator: AlphaVantageEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", emulator.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    provider = connect(emulator, tmp_path, url="http://alphavantage.test")

    assert provider.fetch("AAPL", TWENTY).height == 100
    assert [call.key for call in emulator.calls] == [FREE_KEY]


def test_a_key_with_special_characters_is_escaped_and_masked(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    key = "a key&with=odd\nletters %41"
    with pytest.raises(StockcastError) as caught:
        connect(emulator, tmp_path, key=key).fetch("AAPL", TWENTY)

    assert emulator.calls[0].key == key
    assert key not in _all_text_of(caught.value)


@pytest.mark.parametrize("fault", get_args(Fault))
def test_the_key_is_in_no_log_and_no_error(
    emulator: AlphaVantageEmulator,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    fault: Fault,
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.slow_seconds = 0.1
    emulator.inject_fault(fault, times=None)
    provider = connect(emulator, tmp_path, timeout=0.05 if fault in {"slow", "drip"} else 5.0)

    text = ""
    try:
        provider.fetch("AAPL", TWENTY)
    except StockcastError as error:
        text = _all_text_of(error)

    assert "urllib3" in caplog.text
    assert FREE_KEY not in caplog.text
    assert FREE_KEY not in text
    assert FREE_KEY not in "".join(capfd.readouterr())


def test_a_failed_connection_does_not_show_the_key(
    emulator: AlphaVantageEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = connect(emulator, tmp_path, tier="premium_75", key=FREE_KEY)

    with emulator.closed(), pytest.raises(ProviderDownError) as caught:
        provider.fetch("AAPL")

    assert FREE_KEY not in caplog.text
    assert FREE_KEY not in _all_text_of(caught.value)


def test_the_key_is_in_no_representation_and_no_database(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)
    provider.fetch("AAPL", TWENTY)

    shown = [provider, provider.budget, vars(provider), vars(provider._client)]
    assert FREE_KEY not in "".join(map(repr, shown))
    for file in tmp_path.iterdir():
        assert FREE_KEY.encode() not in file.read_bytes()


def _all_text_of(error: BaseException) -> str:
    """Return all text of an error that a log or another process could show, with variables."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    context = error.__context__
    return "".join(
        [
            "".join(shown.format()),
            repr(error),
            repr(vars(error)),
            str(pickle.dumps(error.args)),
            _all_text_of(context) if context is not None else "",
        ]
    )
