"""Upgrades: they build exactly what tables.py says, and can be run again."""

from leaderboard.database import Database


def test_upgrading_an_empty_database_gives_exactly_the_tables_of_the_program(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert database.pending()
    database.upgrade()
    assert not database.pending()
    assert database.differs() == []
    database.dispose()


def test_upgrading_again_changes_nothing(db: Database) -> None:
    db.upgrade()
    assert not db.pending()
    assert db.differs() == []
