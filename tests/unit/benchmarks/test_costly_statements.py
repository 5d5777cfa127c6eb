"""A statement in one line of a table."""

from __future__ import annotations

from tests.benchmarks.costly_statements import WORDS, brief


def test_a_statement_becomes_one_line_without_its_comments() -> None:
    assert brief("\nSELECT  1 -- why\n  FROM jobs_job\n") == "SELECT 1 FROM jobs_job"


def test_a_long_statement_is_cut() -> None:
    assert len(brief("SELECT " + "column, " * 100)) == WORDS
