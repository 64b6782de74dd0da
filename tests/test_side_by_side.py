"""What begins while another unit of work has not ended: whichever comes first, ledger, scores, evidence and pages agree."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlmodel import Session

from leaderboard import ledger, recognition
from leaderboard.audit import audit
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.ledger.merging import unlink
from leaderboard.plugin import Event
from leaderboard.tables import Identity, Person
from tests.make import NOON, Company
from tests.test_ledger import points, take_in, thanks
from tests.test_recognition import MONDAY, WEEK, care  # noqa: F401 (a fixture)
from tests.trials import eventually

Work = Callable[[Session], Any]


def beside(db: Database, first: Work, second: Work) -> None:
    """Do both; the second begins when the first has done its work and not committed it."""
    with db.writing() as session:
        first(session)
        thread = Thread(target=db.write, args=(second,))
        thread.start()
        assert eventually(lambda: not thread.is_alive() or waits(db))
    thread.join()


def waits(db: Database) -> bool:
    if db.is_sqlite:
        return bool(db._gate._waiting)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with db.reading() as session:
        return bool(session.execute(text(asked)).scalar_one())


def sound(db: Database) -> bool:
    with db.reading() as session:
        return list(audit(session)) == []


def posting(*events: Event) -> Work:
    return lambda session: ledger.post(session, "desk", events, MONDAY)


@pytest.mark.parametrize("order", [1, -1], ids=["the fact first", "the person first"])
@pytest.mark.parametrize("is_linked", [False, True])
def test_a_fact_that_comes_while_its_account_is_linked_or_unlinked_follows_it(
    db: Database, company: Company, is_linked: bool, order: int
) -> None:
    take_in(db, thanks(1, agent="agent-7"))
    with db.reading() as session:
        seven = session.execute(select(Identity.id).where(Identity.account == "agent-7")).scalar_one()

    def link(session: Session) -> None:
        ledger.link(session, seven, company["ana"], NOON)

    if is_linked:
        db.write(link)
    beside(
        db,
        *[
            posting(thanks(2, agent="agent-7")),
            (lambda session: unlink(session, seven, NOON)) if is_linked else link,
        ][::order],
    )
    assert points(db, company["ana"]) == (0 if is_linked else 16)
    assert sound(db)


def test_a_week_that_closes_waits_for_facts_of_those_who_went_to_another_team(
    db: Database,
    care: Company,  # noqa: F811
) -> None:
    take_in(
        db, *(thanks(number, number) for number in range(1, 9))
    )  # 60 points, all that customers can give in a week
    with db.writing() as session:
        session.get_one(Person, care["ana"]).team_id = care.teams["Shop"]
    beside(
        db,
        lambda session: recognition.close_week(session, Config(), care.teams["Care"], WEEK, MONDAY),
        posting(thanks(9)),
    )
    assert sound(db)
    assert points(db, care["ana"], team=care.teams["Care"]) == 60


@pytest.mark.parametrize("order", [1, -1], ids=["the unhappy one first", "the happy one first"])
def test_ratings_of_one_thing_that_come_at_once_make_a_recovery_also_where_one_names_no_ticket(
    db: Database, company: Company, order: int
) -> None:
    reply = Event(
        "reply",
        "ticket.replied",
        NOON - timedelta(hours=1),
        ("ana@example.com",),
        object="ticket/1",
        ticket="1",
    )
    take_in(db, reply)
    unhappy = thanks(1, key="unhappy", kind="rating.bad", ticket=None)
    happy = thanks(1, hours=60)
    beside(db, *[posting(unhappy), posting(happy)][::order])
    assert points(db, company["ana"]) == 12
    assert sound(db)
