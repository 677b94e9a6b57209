"""Files that people have: other names, dates, numbers, layouts and rows. All have the same bars."""

from __future__ import annotations

import pytest
from support.market.file_dialects import (
    ENGLISH,
    EU_DATES,
    EUROPEAN,
    INVESTING,
    SEMICOLONS,
    US_DATES,
    dialect,
)
from support.market.file_formats import TRADED, Write, provider, traded

FILES = {
    "nasdaq": dialect(
        "Date,Close/Last,Volume,Open,High,Low",
        US_DATES,
        "{date},${close},{volume},${open},${high},${low}",
    ),
    "nasdaq-quoted": dialect(
        'Date,"Close/Last",Volume,Open,High,Low',
        US_DATES,
        '{date},"${close}","{volume}","${open}","${high}","${low}"',
        volume="{:,}",
    ),
    "investing": dialect(
        '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"',
        ("Feb 27, 2013", "Feb 28, 2013", "Mar 01, 2013"),
        INVESTING.replace("{volume}", "{volume}K"),
        volume="{:,.0f}",
    )
    .replace(",400K", ".40K")
    .replace(",800K", ".80K")
    .replace(",300K", ".30K")
    .replace("20,976.80K", "20.9768M"),
    "investing-german": dialect(
        '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"',
        EU_DATES,
        INVESTING,
        marks=(".", ","),
    ),
    "investing-french": dialect(
        '"Date","Dernier","Ouv."," Plus Haut","Plus Bas","Vol.","Variation %"',
        ("27/02/2013", "28/02/2013", "01/03/2013"),
        INVESTING,
        marks=(".", ","),
    ),
    "investing-spanish": dialect(
        '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."',
        EU_DATES,
        INVESTING,
        marks=(".", ","),
    ),
    "market-watch": dialect(
        ENGLISH, US_DATES, '{date},"{open}","{high}","{low}","{close}","{volume}"', volume="{:,}"
    ),
    "wall-street-journal": dialect(
        "Date, Open, High, Low, Close, Volume", ("02/27/13", "02/28/13", "03/01/13")
    ),
    "yahoo-page": dialect(
        "Date\tOpen\tHigh\tLow\tClose*\tAdj Close**\tVolume",
        ("Feb 27, 2013", "Feb 28, 2013", "Mar 1, 2013"),
        "{date}\t{open}\t{high}\t{low}\t{close}\t{close}\t{volume}",
        volume="{:,}",
    )
    + "Feb 7, 2013\t2.65 Dividend\n",
    "barchart": dialect(
        "Time,Open,High,Low,Last,Change,%Chg,Volume",
        US_DATES,
        "{date},{open},{high},{low},{close},1.1,+0.3%,{volume}",
    )
    + '"Downloaded from Barchart.com as of 03-02-2013 05:00am CST"\n',
    "tradingview": dialect(
        "time,open,high,low,close,Volume,MA", ("1361975400", "1362061800", "1362148200")
    ),
    "macrotrends": "Macrotrends Data Download\nApple - stock history\n\n\nDisclaimer: none, none\n"
    + dialect("date,open,high,low,close,volume"),
    "excel-separator-line": "sep=;\n" + dialect(ENGLISH.replace(",", ";"), row=SEMICOLONS),
    "excel-serials": dialect(ENGLISH, ("41332", "41333", "41334")),
    "ariva": dialect(
        "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen",
        row=SEMICOLONS + ";{volume}0",
        number="{:,.2f}",
        marks=(".", ","),
    ),
    "frankfurt": dialect("Datum;Eröffnung;Tageshoch;Tagestief;Schluss;Umsatz", **EUROPEAN),
    "german-thousands": dialect(ENGLISH.replace(",", ";"), volume="{:,}", **EUROPEAN),
    "german-units": dialect(
        ENGLISH.replace(",", ";"),
        **EUROPEAN | {"row": SEMICOLONS.replace("{volume}", "{volume} €")},
    ).replace(" €", ""),
    "french-spaces": dialect(
        "Date;Ouverture;Plus haut;Plus bas;Clôture;Volume",
        ("27 févr. 2013", "28 févr. 2013", "1 mars 2013"),
        SEMICOLONS,
        volume="{:,}",
        marks=("\u202f", ","),
    ),
    "swiss": dialect(
        ENGLISH.replace(",", ";"), EU_DATES, SEMICOLONS, volume="{:,}", marks=("'", ".")
    ),
    "polish": dialect("Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen"),
    "indian-bhavcopy": dialect(
        "Symbol,Series,Trade Date,Open Price,High Price,Low Price,Last Price,Close Price,"
        "Total Traded Quantity",
        ("27-Feb-2013", "28-FEB-2013", "01-Mar-2013"),
        "AAPL,EQ,{date},{open},{high},{low},1.5,{close},{volume}",
    ),
    "indian-grouping": dialect(
        ENGLISH, row='{date},"{open}","{high}","{low}","{close}","{volume}"'
    ).replace("20976800", "2,09,76,800"),
    "udiff": dialect(
        "TradDt,TckrSymb,SctySrs,OpnPric,HghPric,LwPric,ClsPric,LastPric,TtlTradgVol",
        row="{date},AAPL,EQ,{open},{high},{low},{close},1.5,{volume}",
    ),
    "euronext": dialect(
        "Date;Open;High;Low;Last;Close;Number of Shares;Number of Trades;Turnover",
        ("27/02/2013", "28/02/2013", "01/03/2013"),
        "{date};{open};{high};{low};1.5;{close};{volume};9;99",
    ),
    "bloomberg": dialect("Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME"),
    "refinitiv": dialect(
        "Exchange Date,Close,Net,%Chg,Open,Low,High,Volume",
        ("27-Feb-2013", "28-Feb-2013", "01-Mar-2013"),
        "{date},{close},1,1%,{open},{low},{high},{volume}",
    ),
    "quandl": dialect(
        ENGLISH + ",Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume",
        row="{date},{open},{high},{low},{close},{volume},0.0,1.0,1,1,1,1,1",
    ),
    "alpaca": dialect(
        "symbol,t,o,h,l,c,v,n,vw",
        ("2013-02-27T05:00:00Z", "2013-02-28T05:00:00Z", "2013-03-01T05:00:00Z"),
        "AAPL,{date},{open},{high},{low},{close},{volume},9,1.5",
    ),
    "polygon": dialect(
        "ticker,volume,open,close,high,low,window_start,transactions",
        ("1361941200000000000", "1362027600000000000", "1362114000000000000"),
        "AAPL,{volume},{open},{close},{high},{low},{date},9",
    ),
    "metatrader": dialect(
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        ("2013.02.27", "2013.02.28", "2013.03.01"),
        "{date}\t{open}\t{high}\t{low}\t{close}\t9\t{volume}\t0",
    ),
    "robinhood": dialect(
        "begins_at,open_price,high_price,low_price,close_price,volume",
        ("2013-02-27T00:00:00Z", "2013-02-28T00:00:00Z", "2013-03-01T00:00:00Z"),
    ),
    "google-sheets": dialect(
        ENGLISH, ("2/27/2013 16:00:00", "2/28/2013 16:00:00", "3/1/2013 16:00:00")
    ),
    "twelve-hours": dialect(
        ENGLISH, ("2/27/2013 4:00:00 PM", "2/28/2013 4:00:00 PM", "3/1/2013 4:00:00 PM")
    ),
    "chinese": dialect("日期,开盘,最高,最低,收盘,成交量"),
    "japanese": dialect(
        "日付,始値,高値,安値,終値,出来高", ("2013年2月27日", "2013年2月28日", "2013年3月1日")
    ),
    "korean": dialect(
        "날짜,시가,고가,저가,종가,거래량", ("2013. 2. 27.", "2013. 2. 28.", "2013. 3. 1.")
    ),
    "russian": dialect("Дата;Откр.;Макс.;Мин.;Закр.;Объём", EU_DATES, SEMICOLONS, marks=(".", ",")),
    "unpadded-dates": dialect(ENGLISH, ("2013/2/27", "2013/2/28", "2013/3/1")),
    "weekdays": dialect(
        ENGLISH.replace(",", ";"),
        ("Wed, 27 Feb 2013", "Thu, 28 Feb 2013", "Fri, 1 Mar 2013"),
        SEMICOLONS,
    ),
    "currency-codes": dialect(
        ENGLISH, row="{date},USD {open},{high} USD,US${low},{close},{volume}"
    ),
    "excel-formulas": dialect(
        ENGLISH, row='="{date}",="{open}",="{high}",="{low}",="{close}",="{volume}"'
    ),
    "quoted-excel-formulas": dialect(
        ENGLISH, row='"=""{date}""","=""{open}""","=""{high}""",{low},{close},"=""{volume}"""'
    ),
    "invisible-marks": dialect(
        ENGLISH, row="\u200e{date},{open},\u200b{high},{low},{close}\u00a0,{volume}"
    ),
    "short-years": dialect(ENGLISH, ("27.02.13", "28.02.13", "01.03.13")),
    "short-years-first": dialect(ENGLISH, ("13-02-27", "13-02-28", "13-03-01")),
    "comma-after-each-row": dialect(ENGLISH).replace("00\n", "00,\n"),
    "footer-with-many-commas": dialect(ENGLISH) + "Source: A, B, C, D, E, F and G, all of 2013\n",
    "footnotes": dialect(ENGLISH) + "\n* Close adjusted for splits\nAs of 2013-03-02\n",
    "closed-market": dialect(ENGLISH) + "2013-02-18,Market closed,,,,\n",
    "empty-first-row": dialect(ENGLISH).replace(
        "Volume\n", "Volume\n2013-02-18,null,null,null,null,null\n"
    ),
    "totals": dialect(ENGLISH) + "Average,444,446,437,438,17408500\nTotal,,,,,52225500\n",
    "repeated-header": dialect(ENGLISH) + ENGLISH + "\n",
    "flat-names": dialect("Date,Open_AAPL,High_AAPL,Low_AAPL,Close_AAPL,Volume_AAPL"),
    "flat-names-reversed": dialect("Date,AAPL Open,AAPL High,AAPL Low,AAPL Close,AAPL Volume"),
    "flat-names-in-brackets": dialect(
        "Date,Open (AAPL),High (AAPL),Low (AAPL),Close (AAPL),Volume (AAPL)"
    ),
    "tuples": dialect(
        "\"('Date', '')\",\"('Open', 'AAPL')\",\"('High', 'AAPL')\",\"('Low', 'AAPL')\","
        "\"('Close', 'AAPL')\",\"('Volume', 'AAPL')\""
    ),
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_files_that_people_have_give_the_same_bars(write: Write, text: str) -> None:
    files = provider(write("AAPL.csv", text).parent)

    assert files.tickers() == ("AAPL",)
    assert [row for row in traded(files.fetch("AAPL")) if row[1] is not None] == TRADED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_are_recognized(write: Write, encoding: str, end: str) -> None:
    text = FILES["german-thousands"].replace("Close", "Schluß").replace("\n", end)

    assert traded(provider(write("AAPL.csv", text, encoding=encoding)).fetch("AAPL")) == TRADED


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("chinese", "gb18030"), ("japanese", "cp932"), ("korean", "cp949"), ("russian", "cp1251")],
)
def test_encodings_of_a_region_are_recognized_by_the_header(
    write: Write, name: str, encoding: str
) -> None:
    assert (
        traded(provider(write("AAPL.csv", FILES[name], encoding=encoding)).fetch("AAPL")) == TRADED
    )
