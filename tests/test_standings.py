"""Boards: top, neighbours, ties, who is ranked, and every line explained."""

from datetime import date, timedelta

import pytest

from leaderboard import recognition, standings
from leaderboard.database import Database
from leaderboard.ledger import post, record_rules
from leaderboard.plugin import Event
from leaderboard.points import FairPlay, Points
from leaderboard.standings import Board
from leaderboard.tables import Person
from leaderboard.weeks import Week
from tests.make import NOON, Company
from tests.test_ledger import thanks, withdraw

WEEK = Board("2026-W47")


def give(db: Database, **times: int) -> None:
    """So many customers' thanks to each, 8 points each."""
    events = [
        thanks(100 * place + n, n / 100, f"{handle}@example.com")
        for place, (handle, count) in enumerate(times.items())
        for n in range(count)
    ]
    db.write(lambda session: post(session, "desk", events, NOON))


def board(db: Database, company: Company, on: Board = WEEK, **more: object) -> list[tuple[int, str, int]]:
    names = {id_: name for name, id_ in company.people.items()}
    with db.reading() as session:
        rows = standings.top(session, on, NOON, **more)  # type: ignore[arg-type]
    return [(row.rank, names[row.person_id], row.points) for row in rows]


def test_equal_points_share_a_rank(db: Database, company: Company) -> None:
    give(db, ana=3, ben=2, chris=2, dan=1)
    assert [(rank, points) for rank, _, points in board(db, company)] == [(1, 24), (2, 16), (2, 16), (4, 8)]


def test_pages_of_a_board_go_on_where_the_last_one_ended(db: Database, company: Company) -> None:
    give(db, ana=3, ben=2, chris=2, dan=2, eve=1)
    whole, paged, after = board(db, company), [], None
    while page := board(db, company, limit=2, after=after):
        paged += page
        after = (page[-1][2], company[page[-1][1]])
    assert paged == whole
    assert [rank for rank, _, _ in whole] == [1, 2, 2, 2, 5]


def test_around_shows_neighbours_with_their_true_ranks(db: Database, company: Company) -> None:
    give(db, ana=5, ben=4, chris=3, dan=3, eve=2, max=1)
    with db.reading() as session:
        rows = standings.around(session, WEEK, company["eve"], NOON, each=2)
    assert [(row.rank, row.points) for row in rows] == [(3, 24), (3, 24), (5, 16), (6, 8)]
    more = [thanks(900 + n, n, "eve@example.com") for n in range(4)]
    db.write(lambda session: post(session, "desk", more, NOON))  # what all viewers share is counted anew
    with db.reading() as session:
        rows = standings.around(session, WEEK, company["eve"], NOON, each=2)
    assert [(row.rank, row.points) for row in rows] == [(1, 48), (2, 40), (3, 32)]


def test_a_team_board_holds_only_what_was_earned_in_the_team(db: Database, company: Company) -> None:
    give(db, ana=1, dan=2)
    assert board(db, company, Board("2026-W47", company.teams["Care"])) == [(1, "ana", 8)]


@pytest.mark.parametrize(
    "change",
    [
        {"bot": True},
        {"active": False},
        {"visibility": "off"},
        {"visibility": "team"},
        {"away_from": NOON.date() - timedelta(days=1), "away_until": NOON.date()},
        {"away_from": NOON.date() - timedelta(days=1)},
        {"joined_on": NOON.date() - timedelta(days=13)},
    ],
)
def test_who_is_not_ranked_still_has_their_points(
    db: Database, company: Company, change: dict[str, object]
) -> None:
    give(db, ana=2, ben=1)
    with db.writing() as session:
        row = session.get_one(Person, company["ana"])
        for name, value in change.items():
            setattr(row, name, value)
    inside = change == {"visibility": "team"}
    assert board(db, company) == [(1, "ben", 8)]
    assert board(db, company, Board("2026-W47", inside=True))[0][1] == ("ana" if inside else "ben")
    with db.reading() as session:
        assert standings.total(session, company["ana"], "2026-W47") == 16
        assert standings.around(session, WEEK, company["ana"], NOON) == []


def test_a_newcomer_is_ranked_after_two_weeks_and_an_absent_person_after_the_return(
    db: Database, company: Company
) -> None:
    give(db, ana=1)
    with db.writing() as session:
        row = session.get_one(Person, company["ana"])
        row.joined_on = NOON.date() - timedelta(days=14)
        row.away_from, row.away_until = date(2026, 11, 1), NOON.date() - timedelta(days=1)
    assert board(db, company) == [(1, "ana", 8)]


def test_movement_names_the_rank_of_the_week_before(db: Database, company: Company) -> None:
    earlier = [thanks(900 + n, n / 100 - 24 * 7, "ben@example.com") for n in range(2)]
    db.write(lambda s: post(s, "desk", [*earlier, thanks(950, -24 * 7)], NOON - timedelta(days=6)))
    give(db, ana=2, ben=1, chris=1)
    with db.reading() as session:
        rows = standings.movement(session, WEEK, standings.top(session, WEEK, NOON), "2026-W46", NOON)
    moved = {row.person_id: (row.rank, row.before) for row in rows}
    assert moved == {company["ana"]: (1, 2), company["ben"]: (2, 1), company["chris"]: (2, None)}


def test_every_number_is_explained_line_by_line(db: Database, company: Company) -> None:
    give(db, ana=2)
    db.write(lambda session: post(session, "desk", [withdraw("rating/0/thanks")], NOON))
    with db.reading() as session:
        lines = standings.explain(session, company["ana"])
        assert sum(line.points for line in lines) == standings.total(session, company["ana"], "2026-W47") == 8
        assert [line.why for line in lines] == ["withdrawn", "full", "full"]
        assert lines[0].reverses_id == lines[2].id
        assert lines[1].evidence["text"] == "She found our luggage!"
        assert standings.explain(session, company["ana"], period="2026-11", limit=1, before=lines[1].id) == [
            lines[2]
        ]
        assert standings.explain(session, company["ana"], period="2026-W46") == []
        assert standings.history(session, company["ana"], ["2026-W46", "2026-W47"]) == {
            "2026-W46": {},
            "2026-W47": {"": 8, "relationships": 8},
        }


def test_a_context_fact_leaves_no_line(db: Database, company: Company) -> None:
    solved = Event("ticket/1/solved", "ticket.solved", NOON, ("ana@example.com",), ticket="1")
    db.write(lambda session: post(session, "desk", [solved], NOON))
    with db.reading() as session:
        assert standings.explain(session, company["ana"]) == []


def test_the_running_week_obeys_a_changed_rule_for_newcomers(db: Database, company: Company) -> None:
    give(db, ana=1)
    with db.writing() as session:
        record_rules(session, Points(), FairPlay(newcomer_days=100), NOON)
        row = session.get_one(Person, company["ana"])
        row.joined_on = NOON.date() - timedelta(days=50)
    with db.reading() as session:
        viewer = session.get_one(Person, company["ada"])
        _teams, places, provisional = recognition.page_of_company(session, Week(2026, 47), viewer, NOON)
    assert provisional
    assert list(places) == []
