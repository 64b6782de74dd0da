"""Statements that are compiled once: they say the same as SQLAlchemy's own way, on both databases."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from leaderboard.database import Database, insert_of, upsert
from leaderboard.statements import Statement
from leaderboard.tables import Credit, Event, Tally
from tests.make import NOON, Company

event, credit = Event.__table__, Credit.__table__  # type: ignore[attr-defined]

VALUES: dict[str, Any] = {
    "source": "desk",
    "key": "rating/1",
    "kind": "rating.good",
    "occurred_at": datetime(2026, 11, 18, 11, 59, 1, 123456, tzinfo=UTC),
    "posted_at": NOON,
    "due_at": None,
    "text": "Danke für „alles“ 🙂",
    "evidence": {"url": "https://example.com", "größe": 3},
}
NEW = Statement(
    lambda dialect: (
        insert_of(dialect, event)
        .on_conflict_do_nothing(index_elements=["source", "key"])
        .returning(event.c.id)
    )
)
FOUND = select(event).where(
    event.c.kind.in_(("rating.good", "rating.bad")), event.c.key == bindparam("key"), event.c.source == "desk"
)


def test_what_is_written_reads_the_same_by_both_ways(db: Database) -> None:
    with db.writing() as session:
        id_ = NEW.scalar(session, VALUES)
        found = Statement(FOUND).all(session, {"key": "rating/1"})
        usual = session.connection().execute(FOUND, {"key": "rating/1"}).all()
        assert [tuple(row) for row in found] == [tuple(row) for row in usual]
        assert found[0].id == id_
        assert {name: getattr(found[0], name) for name in VALUES} == VALUES
        assert Statement(FOUND).first(session, {"key": "rating/2"}) is None


def test_what_is_there_already_answers_nothing(db: Database) -> None:
    with db.writing() as session:
        assert NEW.scalar(session, VALUES) is not None
        assert NEW.scalar(session, VALUES | {"text": "again"}) is None


def test_a_row_that_is_there_is_overwritten_or_added_to(db: Database, company: Company) -> None:
    tally = Tally.__table__  # type: ignore[attr-defined]
    row = {
        "person_id": company["ana"],
        "week": "2026-W47",
        "colleague": 1,
        "customer": 2,
        "promise": 3,
        "work": 4,
    }
    row |= {"last_at": NOON, "last_source": "desk", "last_key": "a"}
    with db.writing() as session:
        overwrite = upsert(tally)
        overwrite.run(session, row)
        overwrite.run_many(session, [row | {"work": 5}, row | {"work": 6, "last_key": "b"}])
        found = session.connection().execute(select(tally.c.work, tally.c.last_key)).all()
    assert [tuple(one) for one in found] == [(6, "b")]


def test_a_refusal_of_the_database_names_no_values(db: Database, company: Company) -> None:
    values = {
        "event_id": 999_999_999,
        "kind": "rating.good",
        "agent": "a secret word",
        "late": False,
        "points": 0,
    }
    values["counts_on"] = date(2026, 11, 18)
    statement = Statement(credit.insert().returning(credit.c.id))
    with pytest.raises(IntegrityError) as refusal, db.writing() as session:
        statement.scalar(session, values)
    assert "a secret word" not in str(refusal.value)
    with db.reading() as session:
        assert session.connection().execute(select(credit.c.id)).all() == []


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 18, 23, 59, 59, 1, tzinfo=ZoneInfo("Pacific/Auckland")),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=0),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
)
def test_a_moment_of_any_zone_is_written_as_the_usual_way_writes_it(db: Database, moment: datetime) -> None:
    with db.writing() as session:
        NEW.scalar(session, VALUES | {"occurred_at": moment})
        usual = session.connection().execute(FOUND, {"key": "rating/1"}).one()
        assert usual.occurred_at == moment.astimezone(UTC)


def test_a_moment_without_a_zone_is_refused(db: Database) -> None:
    with db.writing() as session, pytest.raises(ValueError, match="zone"):
        NEW.scalar(session, VALUES | {"occurred_at": datetime(2026, 11, 18)})  # noqa: DTZ001 (on purpose)
