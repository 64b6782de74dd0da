"""Upgrades: they build exactly what tables.py says, all or nothing, and can be run again."""

import signal
from contextlib import suppress
from functools import partial
from itertools import count

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import String, func, inspect, select, text
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from leaderboard.audit import audit
from leaderboard.check import TRIGGERS, head, revisions
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.tables import PointsEntry
from tests import upgrading, workers
from tests.make import NOON, Company
from tests.test_ledger import thanks
from tests.test_reliability import Tried
from tests.trials import dice, trials


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


def schema(db: Database) -> list[tuple[str, ...]]:
    """All that an upgrade can change, in the database's own words: tables, indices, constraints, triggers, revision."""
    tables = inspect(db.engine).get_table_names()
    with db.reading() as session:
        connection = session.connection()
        found = [tuple(map(str, row)) for row in connection.exec_driver_sql(SCHEMA[connection.dialect.name])]
        if "alembic_version" in tables:
            found += [
                ("revision", str(session.execute(text("SELECT version_num FROM alembic_version")).scalar()))
            ]
    return sorted(found)


SCHEMA = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master",
    "postgresql": """
        SELECT 'column', table_name || '.' || column_name, data_type || is_nullable FROM information_schema.columns
        WHERE table_schema = 'public'
        UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
}


def statements_of(db: Database, revision: str) -> int:
    """How many statements lead to a revision; they are run and taken back."""
    ran = count()
    with suppress(ZeroDivisionError), db.rebuilding() as connection:
        listen(connection, "before_cursor_execute", lambda *_: next(ran))
        db.migrate(connection, revision)
        raise ZeroDivisionError
    return next(ran)


@pytest.mark.promise(number=33)
@pytest.mark.parametrize("revision", revisions())
def test_an_upgrade_killed_at_any_step_changed_nothing_and_can_be_run_again(
    empty_database_url: str, revision: str, record_property: Tried
) -> None:
    """P33: SIGKILL before a statement, before the commit and after it; then the tables are the old ones or the new ones."""
    db = Database(empty_database_url)
    if before := revisions()[revision]:
        db.upgrade(before)
    old, steps = schema(db), statements_of(db, revision)
    assert schema(db) == old
    chance = dice(f"steps to {revision}")
    places = {0, steps - 1, *chance.sample(range(steps), min(steps, trials(1)))}
    for place in [*sorted(places), "commit"]:
        died = workers.start(upgrading.upgrade_and_die, empty_database_url, revision, place)
        died.join()
        assert died.exitcode == -signal.SIGKILL, "it was to die on the way"
        assert schema(db) == old
    died = workers.start(upgrading.upgrade_and_die, empty_database_url, revision, "committed")
    died.join()
    new = schema(db)
    assert new != old
    db.upgrade(revision)
    assert schema(db) == new
    record_property("kills", len(places) + 2)
    if revision == head():
        assert not db.pending()
        assert db.differs() == []
    db.dispose()


@pytest.mark.promise(number=13)
@pytest.mark.parametrize("revision", revisions())
def test_after_each_migration_the_ledger_has_its_triggers(empty_database_url: str, revision: str) -> None:
    db = Database(empty_database_url)
    db.upgrade(revision)
    question, needed = TRIGGERS["sqlite" if db.is_sqlite else "postgresql"]
    with db.reading() as session:
        assert {name for (name,) in session.execute(text(question))} >= needed
    db.dispose()


@pytest.mark.promise(number=13)
def test_a_migration_that_rebuilds_tables_keeps_their_rows_and_the_ledgers_triggers(
    db: Database, company: Company
) -> None:
    """P13: SQLite changes a column by making the table anew, without its triggers; others point to `person` meanwhile."""
    db.write(partial(post, source="desk", events=[thanks(n, n) for n in range(3)], now=NOON))
    with db.rebuilding() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for table, column in (("points_entry", "why"), ("person", "name"), ("credit", "agent")):
            with operations.batch_alter_table(table) as batch:
                batch.alter_column(column, type_=String(90), existing_nullable=False)
    with db.reading() as session:
        assert session.execute(select(func.sum(PointsEntry.points))).scalar_one() == 24
        assert list(audit(session)) == []
    for harm in ("UPDATE points_entry SET points = 0", "DELETE FROM points_entry"):
        with pytest.raises(DBAPIError, match="append-only"), db.writing() as session:
            session.execute(text(harm))


def test_a_migration_that_would_leave_rows_without_what_they_point_to_is_taken_back(
    db: Database, company: Company
) -> None:
    old = schema(db)

    def harm() -> None:
        with db.rebuilding() as connection:
            connection.exec_driver_sql("ALTER TABLE team ADD COLUMN surplus INTEGER")
            connection.exec_driver_sql("DELETE FROM team")

    with pytest.raises((RuntimeError, DBAPIError), match=r"without what they point to|violates foreign key"):
        harm()
    assert schema(db) == old
    with db.writing() as session, pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        session.execute(text("DELETE FROM team"))
