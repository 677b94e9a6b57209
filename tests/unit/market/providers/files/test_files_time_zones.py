"""Timestamps in files belong to the exchange of their own ticker."""

from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from core.settings import load_settings
from market.providers.factory import make_provider
from market.settings import MarketSettings

ZONES = {"ACME": "America/New_York", "ACM.L": "Europe/London", "9999.T": "Asia/Tokyo"}
# The week after the clocks went back in London, and the week in which they did in New York.
SESSIONS = [date(2024, 10, d) for d in (24, 25, 28, 29, 30, 31)] + [
    date(2024, 11, d) for d in (1, 4, 5, 6)
]
MIDNIGHT, MORNING, AFTERNOON = time(0), time(9), time(15)


def stamps(zone: str, at: time, written: str) -> list[str]:
    local = [datetime.combine(day, at, ZoneInfo(zone)) for day in SESSIONS]
    return {
        "utc": [f"{stamp.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M:%S+00:00}" for stamp in local],
        "zulu": [f"{stamp.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%SZ}" for stamp in local],
        "offset": [stamp.isoformat() for stamp in local],
        "naive": [f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in local],
        "epoch": [str(int(stamp.timestamp())) for stamp in local],
    }[written]


def write(folder: Path, at: time, written: str, *, in_one_file: bool) -> None:
    n = len(SESSIONS)
    prices = {name: [10.0 + i for i in range(n)] for name in ("Open", "High", "Low", "Close")}
    frames = {
        ticker: pl.DataFrame({"Date": stamps(zone, at, written), **prices, "Volume": [1] * n})
        for ticker, zone in ZONES.items()
    }
    if in_one_file:
        named = [frame.with_columns(Ticker=pl.lit(name)) for name, frame in frames.items()]
        pl.concat(named).write_csv(folder / "all.csv")
        return
    for ticker, frame in frames.items():
        frame.write_csv(folder / f"{ticker}.csv")


@pytest.mark.parametrize("in_one_file", [False, True], ids=["own-files", "one-file"])
@pytest.mark.parametrize("at", [MIDNIGHT, MORNING, AFTERNOON], ids=["midnight", "9h", "15h"])
@pytest.mark.parametrize("written", ["utc", "zulu", "offset", "naive", "epoch"])
def test_stamps_of_three_zones_give_the_sessions_of_each_exchange(
    tmp_path: Path, written: str, at: time, *, in_one_file: bool
) -> None:
    write(tmp_path, at, written, in_one_file=in_one_file)
    files = make_provider(load_settings(MarketSettings, provider="files", bars=str(tmp_path)))

    read = {ticker: files.fetch(ticker).get_column("session").to_list() for ticker in ZONES}

    assert read == dict.fromkeys(ZONES, SESSIONS)


def test_one_hour_of_the_exchange_is_no_midnight_of_utc(tmp_path: Path) -> None:
    # 20:00 in New York, after the clocks went back: 00:00 UTC before, 01:00 UTC after.
    write(tmp_path, time(20), "utc", in_one_file=False)
    files = make_provider(load_settings(MarketSettings, provider="files", bars=str(tmp_path)))

    assert files.fetch("ACME").get_column("session").to_list() == SESSIONS
