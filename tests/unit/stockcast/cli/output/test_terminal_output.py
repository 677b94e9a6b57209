"""Output in a real terminal: progress lines, tables of every width, and encodings.

A child process prints recorded data with the functions that the commands use.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.terminal import python, run_in_terminal

from stockcast.cli.output.market_tables import OUTCOME_COLUMNS
from stockcast.cli.output.model_tables import FORECAST_COLUMNS, SCORE_COLUMNS

pytestmark = pytest.mark.slow

PROGRAM = str(Path(__file__).parents[4] / "support" / "programs" / "printed_run.py")
COLUMNS = [*SCORE_COLUMNS, *FORECAST_COLUMNS, *OUTCOME_COLUMNS]
PRICES = ["0.0004000", "0.0003800 to 0.0004200", "430.47", "612,346", "551,111 to 673,580"]
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C locale without UTF-8": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("columns", [40, 100])
def test_progress_lines_are_not_mixed_with_the_bar(tmp_path: Path, columns: int) -> None:
    shown = run_in_terminal(python(PROGRAM, "progress", str(tmp_path)), columns=columns)

    assert shown.status == 0
    text = re.sub(r"\d+\.\d s", "N s", " ".join(" ".join(shown.lines).split()))
    assert text == (
        "daily_bars 5 tickers: 5 ingested. a library prints daily_bars done in N s "
        "walk_forward_forecasts fold 1 of 5: trained through 2008-01-22, forecasts 2008-02-29 to "
        "2009-02-27 walk_forward_forecasts done in N s"
    )
    assert "0/2" in shown.output  # the bar was there
    assert max(map(len, shown.lines)) <= columns


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_column_and_no_price_is_lost_in_a_narrow_terminal(tmp_path: Path, columns: int) -> None:
    command = python(PROGRAM, "tables", str(tmp_path))
    shown = run_in_terminal(command, columns=columns, environment={"NO_COLOR": "1"})

    assert shown.status == 0
    assert [word for word in COLUMNS if not any(word in line for line in shown.lines)] == []
    assert [price for price in PRICES if not any(price in line for line in shown.lines)] == []
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown.output
    assert "\x1b[3" not in shown.output.replace("\x1b[3m", "")  # no color, italics only
    assert "which is not a number at all" in " ".join(" ".join(shown.lines).split())


def test_a_pipe_has_one_line_per_row_without_control_sequences(tmp_path: Path) -> None:
    done = subprocess.run(
        python(PROGRAM, "tables", str(tmp_path)), capture_output=True, text=True, check=True
    )

    [header] = [line for line in done.stdout.splitlines() if "as of" in line]
    assert header.split() == " ".join(FORECAST_COLUMNS).split()
    [row] = [line for line in done.stdout.splitlines() if line.startswith("AAPL    1w")]
    assert row.split()[-3:] == ["52.3", "neutral", "HOLD"]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("environment", ENCODINGS.values(), ids=ENCODINGS)
def test_characters_outside_the_encoding_are_replaced(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    command = python(PROGRAM, "tables", str(tmp_path))

    shown = run_in_terminal(command, columns=100, environment=environment, encoding="latin-1")

    assert shown.status == 0
    lines = [line.strip() for line in shown.lines]
    assert "+ Golden vectors match within tolerance: passed" in lines
    assert any(line.startswith("x A reason") for line in lines)
    assert "for\\u682a:failed" in "".join("".join(lines).split())
