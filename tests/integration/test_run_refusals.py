"""`stockcast run` on unusable files: exit status 1 and one message without a traceback."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from support.pipelines.command_runs import RunHome, write_yahoo

pytestmark = pytest.mark.integration

START = date(2012, 1, 3)


def refuse(tmp_path: Path, bars: str) -> str:
    """Run on the files `bars`, which must fail, and return the error message."""
    done = RunHome(tmp_path / "home", bars).run("--no-serve")

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr.strip()


def test_a_broken_file_is_named_with_column_and_row(tmp_path: Path) -> None:
    bars = write_yahoo(tmp_path / "bars", "IBM", start=START)
    broken = tmp_path / "bars" / "IBM.csv"
    lines = broken.read_text().splitlines()
    cells = lines[7].split(",")
    cells[4] = "n/a?"
    lines[7] = ",".join(cells)
    broken.write_text("\n".join(lines))

    message = refuse(tmp_path, bars)

    assert str(broken) in message
    assert "row 8, column 'Close'" in message
    assert "n/a?" in message


def test_missing_files_are_named(tmp_path: Path) -> None:
    message = refuse(tmp_path, str(tmp_path / "nothing" / "*.csv"))

    assert str(tmp_path / "nothing") in message
    assert "matches nothing" in message


def test_a_short_history_is_rejected_with_the_required_length(tmp_path: Path) -> None:
    bars = write_yahoo(tmp_path / "bars", "AAPL", start=START)

    message = refuse(tmp_path, bars)

    expected = "error: walk_forward_forecasts: `n_folds` 4 with `min_train_size` 504"
    assert message.startswith(expected)
    assert "needs at least 635 sessions" in message
    assert "provide a longer history" in message


def test_rows_outside_the_sessions_stop_the_run_before_training(tmp_path: Path) -> None:
    bars = write_yahoo(tmp_path / "bars", "AAPL", start=START)
    path = tmp_path / "bars" / "AAPL.csv"
    header, *rows = path.read_text().splitlines()
    saturdays = [f"2012-{month:02}-{day:02}" for month, day in enumerate((7, 4, 3, 7, 5, 2), 1)]
    wrong = [",".join([day, *rows[0].split(",")[1:]]) for day in saturdays]
    path.write_text("\n".join([header, *rows, *wrong]))

    message = refuse(tmp_path, bars)

    share = len(wrong) / (len(rows) + len(wrong))
    expected = (
        f"1 ticker is left out. AAPL: 6 of {len(rows) + 6:,} rows ({share:.2%}) were refused, most "
        f"often because the XNYS calendar has no session on that date (6 rows); see "
        f"{tmp_path}/home/quarantine/AAPL.parquet; give the ticker the suffix of its exchange, set "
        f"STOCKCAST_EXCHANGE to its calendar (24/7 and 24/5 are calendars too), or remove these "
        f"rows at their source."
    )
    assert message == f"error: daily_bars_few_refused_rows: {expected}"
