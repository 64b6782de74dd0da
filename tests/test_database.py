"""What a database is known to do wrong."""

import pytest

from leaderboard.database import Database
from leaderboard.sqlite import sqlite_affected


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.4", False),
    ],
)
def test_a_sqlite_that_can_damage_its_file_is_known(version: str, affected: bool) -> None:
    assert sqlite_affected(version) is affected


def test_a_database_says_what_it_is(db: Database) -> None:
    name, _, number = db.version().partition(" ")
    assert name == ("SQLite" if db.is_sqlite else "PostgreSQL")
    assert number.replace(".", "").isdigit()
