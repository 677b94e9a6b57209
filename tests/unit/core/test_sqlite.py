"""Concurrent use of the shared SQLite file, and the errors when it cannot be used."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import PermanentError, TransientError
from core.sqlite import Database
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.quota.ledger import QuotaLedger

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)"
WRITER = f"""
import sys
from pathlib import Path
from core.sqlite import Database
database = Database(Path(sys.argv[1]), {SCHEMA!r})
for number in range(10):
    with database.transaction() as db:
        db.execute("INSERT INTO notes VALUES (?)", (str(number),))
"""


def read_notes(database: Database) -> list[str]:
    with database.connection() as db:
        return [row["text"] for row in db.execute("SELECT text FROM notes")]


def write(database: Database, text: str) -> None:
    with database.transaction() as db:
        db.execute("INSERT INTO notes VALUES (?)", (text,))


def test_committed_rows_are_visible_to_other_connections(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "market.sqlite"
    write(Database(path, SCHEMA), "a note")

    assert read_notes(Database(path, SCHEMA)) == ["a note"]


def test_an_error_inside_a_transaction_rolls_it_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "market.sqlite", SCHEMA)

    def write_half() -> None:
        with database.transaction() as db:
            db.execute("INSERT INTO notes VALUES ('half')")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()

    assert read_notes(database) == []


def test_processes_that_create_the_file_at_once_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / "market.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    processes = [subprocess.Popen(command) for _ in range(4)]

    assert [process.wait() for process in processes] == [0] * 4
    assert len(read_notes(Database(path, SCHEMA))) == 40


def test_threads_that_create_the_file_at_once_lose_no_row(tmp_path: Path) -> None:
    for attempt in range(10):
        path = tmp_path / f"{attempt}.sqlite"
        threads = [
            threading.Thread(target=lambda path=path: write(Database(path, SCHEMA), "a note"))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(read_notes(Database(path, SCHEMA))) == 8


def test_a_forked_child_and_its_parent_both_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "market.sqlite", SCHEMA)
    write(database, "parent")

    child = os.fork()
    if child == 0:
        write(database, "child")
        os._exit(0)
    for _ in range(20):
        write(database, "parent")

    assert os.waitpid(child, 0)[1] == 0
    assert sorted(read_notes(database)) == ["child"] + ["parent"] * 21


def test_a_file_that_was_moved_away_is_created_again(tmp_path: Path) -> None:
    database = Database(tmp_path / "market.sqlite", SCHEMA)
    write(database, "old")
    for path in tmp_path.glob("market.sqlite*"):
        path.rename(tmp_path / f"moved-{path.name}")

    write(database, "new")

    assert read_notes(database) == ["new"]


def test_the_error_for_a_file_of_another_format_has_path_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "market.sqlite"
    path.write_bytes(b"not a database, but long enough to be one" * 100)

    for use in (QuotaLedger(path).usage, lambda _: CircuitBreakers(path).read_states()):
        with pytest.raises(PermanentError, match=r"market\.sqlite is damaged .* move it away"):
            use(None)  # type: ignore[arg-type]


def test_the_error_for_a_damaged_page_has_path_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "market.sqlite"
    database = Database(path, SCHEMA)
    write(database, "a note " * 3000)
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(PermanentError, match=r"market\.sqlite is damaged .* move it away"):
        write(Database(path, SCHEMA), "another")


def test_the_error_for_a_locked_file_has_path_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "market.sqlite"
    database = Database(path, SCHEMA, busy_seconds=0.05)
    write(database, "a note")

    with (
        Database(path, SCHEMA).transaction(),
        pytest.raises(TransientError, match=r"market\.sqlite was locked .* for 0\.05 s; try again"),
    ):
        write(database, "another")

    # Readers need no lock.
    with Database(path, SCHEMA).transaction():
        assert read_notes(database) == ["a note"]


def test_the_error_for_an_unwritable_place_has_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(PermanentError, match=r"market\.sqlite cannot be used .* folder"):
        write(Database(tmp_path / "file" / "market.sqlite", SCHEMA), "a note")

    (tmp_path / "market.sqlite").mkdir()
    with pytest.raises(PermanentError, match=r"market\.sqlite cannot be used .* folder"):
        write(Database(tmp_path / "market.sqlite", SCHEMA), "a note")
