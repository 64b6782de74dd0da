"""An unhappy rating opens a follow-up along LAST and costs nobody a point."""

import pytest
from sqlalchemy import func
from sqlmodel import select

from leaderboard import thanks
from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event, Invalid
from leaderboard.tables import FollowUp, Person, PointsEntry
from tests.make import NOON, Company


@pytest.fixture
def unhappy(db: Database, company: Company) -> int:
    """The follow-up of a rating about Ana, delivered twice."""
    rating = Event(
        key="rating/7/bad",
        kind="rating.bad",
        occurred_at=NOON,
        agents=("ana@example.com",),
        object="rating/7",
        ticket="7",
        text="I waited two days.",
    )
    for _ in range(2):
        db.write(lambda session: take_in(session, "desk", [rating], NOON))
    with db.reading() as session:
        return session.exec(select(FollowUp.id)).one() or 0


def test_an_unhappy_rating_opens_one_follow_up_and_costs_nothing(
    db: Database, company: Company, unhappy: int
) -> None:
    with db.reading() as session:
        found = thanks.follow_ups(session, [company.teams["Care"]])
        assert [(each.event.text, each.person.handle) for each in found if each.person] == [
            ("I waited two days.", "ana")
        ]
        assert thanks.follow_ups(session, [company.teams["Shop"]]) == []
        assert session.exec(select(func.count()).select_from(PointsEntry)).one() == 0


def test_a_follow_up_is_closed_with_what_was_done_and_can_be_opened_again(
    db: Database, company: Company, unhappy: int
) -> None:
    care = [company.teams["Care"]]
    with db.writing() as session:
        lea = session.get_one(Person, company["lea"])
        with pytest.raises(Invalid, match="what was done"):
            thanks.follow_up(session, unhappy, lea, " ", NOON)
        thanks.follow_up(session, unhappy, lea, "Ana called and sent a new one.", NOON)
        assert thanks.follow_ups(session, care) == []
        assert len(thanks.follow_ups(session, care, "done")) == 1
        thanks.reopen(session, unhappy)
        assert len(thanks.follow_ups(session, care)) == 1
        assert thanks.team_of_follow_up(session, unhappy) == care[0]


def test_a_follow_up_that_is_not_there_is_not_there(db: Database, company: Company) -> None:
    with db.writing() as session:
        assert thanks.team_of_follow_up(session, 99) is None
        with pytest.raises(LookupError):
            thanks.reopen(session, 99)
