"""Who wins a week: two witnesses, four weeks' rest, shared wins, and who is not ranked (fair play 11 and 12)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leaderboard import ledger, recognition
from leaderboard.config import OWN_SOURCE
from leaderboard.database import Database
from leaderboard.ledger import Share
from leaderboard.ledger.merging import merge
from leaderboard.plugin import Event
from leaderboard.tables import Person, Team
from tests import make
from tests.make import NOON
from tests.test_recognition import MONDAY, WEEK, care, close, told, withdrawn, won

__all__ = ["care"]


def test_a_winner_has_two_different_witnesses(db: Database, care: make.Company) -> None:
    """Ana has more points from one colleague than Ben from two; Ben wins."""
    with db.writing() as session:
        told(session, care, "chris", "ana", points=30)
        told(session, care, "chris", "ana", points=20)
        told(session, care, "chris", "ben", points=8)
        told(session, care, "ana", "ben", points=8)
        closed = close(session, care)
        assert won(session, closed) == {"relationships": ["ben"]}
        (row, _) = recognition.standing_winners(session, closed)[0]
        assert (row.points, row.witnesses) == (16, 2)
        assert "16 points from 2 different witnesses" in row.reason
        assert "told us" in row.words
        assert "right shirt" in row.words


LUGGAGE = Event(
    key="csat-1",
    kind="thanks.received",
    occurred_at=NOON,
    agents=("ana@example.com",),
    customer="mr-ito",
    ticket="4711",
    text="She found our luggage!",
)


def test_one_colleague_and_one_customer_are_two_witnesses(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana")
        ledger.post(session, "desk", [LUGGAGE], NOON)
        assert won(session, close(session, care)) == {"relationships": ["ana"]}


def test_a_colleague_whom_only_the_helpdesk_knows_is_a_witness(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana", "team-player")
        helped = Event(
            "1", "help.given", NOON, ("ana@example.com",), giver="agent-77", guideline="team-player"
        )
        ledger.post(session, "desk", [helped], NOON)
        assert won(session, close(session, care)) == {"team-player": ["ana"]}


def test_the_words_of_a_win_are_the_story_that_earned_most_the_first_of_equal_ones(
    db: Database, care: make.Company
) -> None:
    """A customer's thanks come after every story, whatever they earned."""
    with db.writing() as session:
        ledger.post(session, "desk", [LUGGAGE], NOON)
        for giver, points, text in (
            ("chris", 2, "Little."),
            ("lea", 3, "First."),
            ("eve", 3, "Second."),
            ("dan", 0, ""),
        ):
            told(session, care, giver, "ana", points=points, text=text)
        (row, _) = recognition.standing_winners(session, close(session, care))[0]
        assert (row.points, row.witnesses, row.words) == (16, 5, "Lea told us: “First.”")


def test_nobody_is_their_own_witness_nor_a_colleague_as_a_customer_and_nothing_wins_nothing(
    db: Database, care: make.Company
) -> None:
    """Nor is the customer of a promise that nobody knew of before it was kept."""
    with db.writing() as session:
        for whom in ("ana", "ben", "lea"):
            told(session, care, "chris", whom)
        told(session, care, "ana", "chris", "team-player")
        for giver in ("ada", "lea"):
            told(session, care, giver, "chris", points=0)
        facts = [
            Event("1", "help.given", NOON, ("ana@example.com",), giver="ana@example.com"),
            replace(LUGGAGE, agents=("ben@example.com",), customer="lea@example.com"),
            replace(LUGGAGE, key="2", kind="promise.kept", agents=("lea@example.com",), object="promise/1"),
        ]
        ledger.post(session, "desk", [replace(one, guideline="relationships") for one in facts], NOON)
        assert won(session, close(session, care)) == {}


def test_equal_points_share_the_win(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        for whom in ("ana", "ben"):
            told(session, care, "chris", whom)
            told(session, care, "lea", whom)
        closed = close(session, care)
        assert won(session, closed) == {"relationships": ["ana", "ben"]}
        assert all(
            "Shared with one other" in row.reason for row, _ in recognition.standing_winners(session, closed)
        )


def test_all_who_have_as_many_points_share_the_win_however_many_they_are(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        crew = [make.person(session, f"crew{number}", team, moment=NOON) for number in range(25)]
        who = tuple(one.uid for one in crew)
        for giver in ("chris", "lea"):
            fact = Event(giver, "story.accepted", NOON, who, object=giver, guideline="relationships")
            shares = {uid: Share(2, 2, "shared") for uid in who}
            ledger.post(session, OWN_SOURCE, [fact], NOON, shares=shares, giver_id=care[giver])
        assert len(won(session, close(session, care))["relationships"]) == len(crew)


def test_the_same_person_wins_the_same_category_once_in_four_weeks(db: Database, care: make.Company) -> None:
    winners, others = [], []
    with db.writing() as session:
        for number in range(6):
            at = NOON + timedelta(weeks=number)
            for giver in ("chris", "lea"):
                told(session, care, giver, "ana", points=20, at=at)
                told(session, care, giver, "ben", points=5, at=at)
                if number == 1:
                    told(session, care, giver, "ana", "team-player", points=1, at=at)
            found = won(session, close(session, care, WEEK + number))
            winners += found.get("relationships", ["-"])
            others += found.get("team-player", [])
    assert winners == ["ana", "ben", "-", "-", "ana", "ben"]
    assert others == ["ana"], "another category is open meanwhile"


def test_who_won_in_one_team_does_not_win_the_same_in_the_next(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        for giver in ("chris", "lea"):
            told(session, care, giver, "ana")
        assert [won(session, close(session, care, team=team)) for team in ("Care", "Shop")] == [
            {"relationships": ["ana"]},
            {},
        ]
        session.get_one(Person, care["ana"]).team_id = care.teams["Shop"]
        session.flush()
        for giver in ("dan", "eve"):
            told(session, care, giver, "ana", at=NOON + timedelta(weeks=1))
        assert won(session, close(session, care, WEEK + 1, "Shop")) == {}


def test_a_win_under_another_account_that_was_merged_rests_too(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        for giver in ("chris", "lea"):
            told(session, care, giver, "ana")
        assert won(session, close(session, care)) == {"relationships": ["ana"]}
        merge(session, care["ana"], care["ben"], "imported twice", MONDAY)
        for giver in ("chris", "lea"):
            told(session, care, giver, "ben", at=NOON + timedelta(weeks=1))
        assert won(session, close(session, care, WEEK + 1)) == {}


def test_a_dropped_win_does_not_keep_one_from_winning_next_week(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        ada = session.get_one(Person, care["ada"])
        for number in range(2):
            at = NOON + timedelta(weeks=number)
            for giver in ("chris", "lea"):
                told(session, care, giver, "ana", at=at)
            closed = close(session, care, WEEK + number)
            assert won(session, closed) == {"relationships": ["ana"]}
            row = recognition.standing_winners(session, closed)[0][0]
            recognition.drop(session, closed.id or 0, row.id or 0, "It was two people's work.", ada, MONDAY)


@pytest.mark.parametrize(
    "change",
    [
        {"visibility": "off"},
        {"bot": True},
        {"active": False},
        {"away_from": NOON.date(), "away_until": (NOON + timedelta(days=30)).date()},
        {"joined_on": NOON.date()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_who_is_not_ranked_does_not_win(db: Database, care: make.Company, change: dict[str, Any]) -> None:
    with db.writing() as session:
        for giver in ("chris", "lea"):
            told(session, care, giver, "ana")
        whose = session.get_one(Person, care["ana"])
        for name, value in change.items():
            setattr(whose, name, value)
        session.add(whose)
        session.flush()
        assert won(session, close(session, care)) == {}


def test_who_is_shown_to_their_team_alone_wins_there(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        session.get_one(Person, care["ana"]).visibility = "team"
        for giver in ("chris", "lea"):
            told(session, care, giver, "ana")
        assert won(session, close(session, care)) == {"relationships": ["ana"]}


@pytest.mark.parametrize(
    ("team", "who", "givers"), [("Care", "ana", "chris lea"), ("Shop", "dan", "eve max")]
)
def test_leave_is_judged_by_the_last_day_of_the_week_where_the_team_is_and_not_by_the_day_of_closing(
    db: Database, care: make.Company, team: str, who: str, givers: str
) -> None:
    with db.writing() as session:
        for giver in givers.split():
            told(session, care, giver, who)
        whose = session.get_one(Person, care[who])
        whose.away_from, whose.away_until = MONDAY.date(), (MONDAY + timedelta(days=14)).date()
        session.add(whose)
        session.flush()
        assert won(session, close(session, care, team=team)) == {"relationships": [who]}


def test_help_across_the_aisle_is_told_by_another_team(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        told(session, care, "dan", "ana", "team-player", points=5)
        told(session, care, "eve", "ana", "courtesy-and-respect", points=5)
        told(session, care, "chris", "ben", "team-player", points=20)
        told(session, care, "lea", "ben", "team-player", points=20)
        assert won(session, close(session, care)) == {
            "team-player": ["ben"],
            recognition.CROSSED: ["ana"],
        }


def test_a_story_that_was_taken_back_is_no_witness(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana")
        uid = told(session, care, "lea", "ana")
        withdrawn(session, uid, NOON)
        assert won(session, close(session, care)) == {}
