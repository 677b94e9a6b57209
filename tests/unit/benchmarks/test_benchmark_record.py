"""The page of the benchmarks keeps what a run did not measure."""

from __future__ import annotations

from pathlib import Path

from benchmarks.record import HEADING, Section, describe_machine, write_sections


def test_a_run_replaces_its_own_sections_only(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\nBy hand.\n\n{HEADING}")
    write_sections([Section("hello", "old\n", 1.0), Section("memory", "300 MB\n", 2.0)], page)

    write_sections([Section("hello", "new\n", 3.0), Section("users", "x", 1.0, failed=True)], page)

    text = page.read_text()
    assert text.startswith(f"# Performance\n\nBy hand.\n\n{HEADING}\n### hello\n")
    assert "```text\nnew\n```" in text
    assert "old" not in text
    assert "300 MB" in text
    assert "users" not in text


def test_the_machine_is_described() -> None:
    assert " cores of " in describe_machine()
    assert "Python 3.11" in describe_machine()
