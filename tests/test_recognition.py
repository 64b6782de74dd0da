"""Closing a week, its winners, and what a closed week keeps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from leaderboard import ledger, recognition
from leaderboard.config import OWN_SOURCE, Config
from leaderboard.database import Database
from leaderboard.ledger import Share
from leaderboard.plugin import Event, Invalid
from leaderboard.tables import (
    Announcement,
    Channel,
    ClosedWeek,
    Nomination,
    Nominee,
    Person,
    Recognition,
    Team,
)
from leaderboard.weeks import Week
from tests import make
from tests.make import NOON

WEEK = Week(2026, 47)
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
"""09:00 in Berlin on the Monday after WEEK: when Care's week closes."""
CONFIG = Config()


def told(
    session: Session,
    company: make.Company,
    by: str,
    about: str,
    guideline: str = "relationships",
    points: int = 10,
    at: datetime = NOON,
    text: str = "She stayed until ten and found the family the right shirt, then drove it to their hotel herself.",
) -> str:
    """An accepted story, as nominations post it; returns its public id."""
    story = Nomination(
        nominator_id=company[by],
        team_id=session.get_one(Person, company[about]).team_id,
        guideline=guideline,
        story=text,
        nominated_at=at,
        state="accepted",
        worth=points,
        full_worth=points,
        worth_why="full",
        acceptances=1,
    )
    session.add(story)
    session.flush()
    session.add(
        Nominee(
            nomination_id=story.id or 0,
            person_id=company[about],
            position=0,
            share=points,
            full_share=points,
            share_why="full",
        )
    )
    event = Event(
        key=f"story/{story.uid}/1",
        kind="story.accepted",
        occurred_at=at,
        agents=(company.uids[about],),
        object=f"story/{story.uid}",
        text=text,
        guideline=guideline,
        evidence={"story": story.uid},
    )
    shares = {company.uids[about]: Share(points, points, "full")}
    ledger.post(session, OWN_SOURCE, [event], at, shares=shares, giver_id=company[by])
    return story.uid


def withdrawn(session: Session, uid: str, at: datetime) -> None:
    """The story is taken back."""
    key = f"story/{uid}/1"
    event = Event(key=f"{key}/withdrawn", kind="fact.withdrawn", occurred_at=at, object=key)
    ledger.post(session, OWN_SOURCE, [event], at)


def close_before(session: Session, team_id: int, week: Week) -> None:
    """Close the empty weeks up to, and without, this one."""
    team = session.get_one(Team, team_id)
    team.first_week = str(week)
    session.add(team)
    session.flush()


def close(session: Session, company: make.Company, week: Week = WEEK, team: str = "Care") -> ClosedWeek:
    closed_id = recognition.close_week(
        session, CONFIG, company.teams[team], week, MONDAY + (week.monday - WEEK.monday)
    )
    return session.get_one(ClosedWeek, closed_id)


@pytest.fixture
def care(db: Database, company: make.Company) -> make.Company:
    """The cast, in companies whose first week is WEEK."""
    with db.writing() as session:
        for team_id in company.teams.values():
            close_before(session, team_id, WEEK)
    return company


def won(session: Session, closed: ClosedWeek) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row, whose in recognition.standing_winners(session, closed):
        found.setdefault(row.category, []).append(whose.handle)
    return found


# ---------------------------------------------------------------- what is due


def test_a_week_is_due_at_the_teams_own_hour_and_not_before(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.closes_at = "11:30"
        session.add(team)
        session.flush()
        half_past = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
        assert recognition.due(session, CONFIG, half_past - timedelta(seconds=1)) == []
        assert recognition.due(session, CONFIG, half_past) == [(care.teams["Care"], WEEK)]


def test_weeks_are_due_oldest_first_over_all_teams(db: Database, care: make.Company) -> None:
    with db.reading() as session:
        found = recognition.due(session, CONFIG, MONDAY + timedelta(weeks=1, days=1))
        assert [str(week) for _, week in found] == ["2026-W47", "2026-W47", "2026-W48", "2026-W48"]


def test_a_week_that_has_not_ended_cannot_be_closed_even_by_hand(db: Database, care: make.Company) -> None:
    sunday_night = datetime(2026, 11, 22, 22, 59, tzinfo=UTC)  # 23:59 in Berlin
    with db.writing() as session, pytest.raises(Invalid, match="not ended"):
        recognition.close_week(session, CONFIG, care.teams["Care"], WEEK, sunday_night)


def test_weeks_close_in_their_order(db: Database, care: make.Company) -> None:
    with db.writing() as session, pytest.raises(Invalid, match="2026-W47 first"):
        recognition.close_week(session, CONFIG, care.teams["Care"], WEEK + 1, MONDAY + timedelta(weeks=1))


def test_a_week_before_the_teams_first_cannot_be_closed(db: Database, care: make.Company) -> None:
    with db.writing() as session, pytest.raises(Invalid, match="first week"):
        recognition.close_week(session, CONFIG, care.teams["Care"], WEEK - 1, MONDAY)


def test_a_week_without_anything_closes_and_says_so_kindly(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        closed = close(session, care)
        assert won(session, closed) == {}
        assert closed.numbers["stories"] == []
        said = recognition.message(session, CONFIG, closed)
        assert "Tell it today" in said.text
        assert "To talk over" in said.text


# ---------------------------------------------------------------- what is frozen


def test_a_closed_week_is_closed_once(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        close(session, care)
        assert recognition.close_week(session, CONFIG, care.teams["Care"], WEEK, MONDAY) is None
        assert len(session.exec(select(ClosedWeek)).all()) == 1


def test_the_frozen_numbers_are_the_ledgers_as_of_closing(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana", points=10)
        told(session, care, "lea", "ana", "team-player", points=4)
        told(session, care, "ana", "ben", points=10)
        told(session, care, "ana", "chris", points=4)
        told(session, care, "max", "dan", points=7)  # of another team
        numbers = close(session, care).numbers
        boards = {
            guideline: [(line["rank"], line["name"], line["points"]) for line in lines]
            for guideline, lines in numbers["standings"].items()
        }
        assert boards[""] == [(1, "Ana", 14), (2, "Ben", 10), (3, "Chris", 4)]
        assert sorted(boards["relationships"]) == [(1, "Ana", 10), (1, "Ben", 10), (3, "Chris", 4)]
        assert boards["team-player"] == [(1, "Ana", 4)]
        assert boards["positive-energy"] == []
        assert numbers["points"] == 28
        assert numbers["facts"] == {"story.accepted": 4}
        assert numbers["team"] == {"name": "Care", "slug": "care", "zone": "Europe/Berlin"}


def test_a_rating_that_became_a_recovery_is_frozen_as_that_alone(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        about: dict[str, Any] = {"agents": ("ana@example.com",), "customer": "mr-ito", "ticket": "4711"}
        good = Event("1/good", "rating.good", NOON, object="rating/1", **about)
        reply = Event("2", "ticket.replied", NOON - timedelta(hours=1), **about)
        bad = Event("1/bad", "rating.bad", NOON - timedelta(hours=2), object="rating/1", **about)
        for fact in (good, reply, bad):
            ledger.post(session, "desk", [fact], NOON)
        numbers = close(session, care).numbers
        assert (numbers["points"], numbers["facts"]) == (12, {"rating.recovered": 1})


def test_a_fact_that_comes_after_closing_counts_in_the_open_week_and_the_frozen_page_stays(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        closed = close(session, care)
        before = dict(closed.numbers)
        late = Event(
            key="csat-2", kind="rating.good", occurred_at=NOON, agents=("ana@example.com",), customer="mr-ito"
        )
        ledger.post(session, "desk", [late], MONDAY + timedelta(hours=1))
        session.refresh(closed)
        assert closed.numbers == before
        assert recognition.corrections(session, closed, session.get_one(Person, care["lea"])) == ()
        page = recognition.page_of_team(
            session, session.get_one(Team, care.teams["Care"]), WEEK, session.get_one(Person, care["lea"])
        )
        assert page is not None
        assert page.places == ()


def test_a_correction_stands_beside_the_frozen_numbers_with_its_day(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        uid = told(session, care, "chris", "ana")
        closed = close(session, care)
        later = MONDAY + timedelta(days=2)
        withdrawn(session, uid, later)
        lea = session.get_one(Person, care["lea"])
        (correction,) = recognition.corrections(session, closed, lea)
        assert (correction.person.name, correction.points, correction.at) == ("Ana", -10, later)
        assert correction.taken_back
        page = recognition.page_of_team(session, session.get_one(Team, care.teams["Care"]), WEEK, lea)
        assert page is not None
        assert [(place.person.name, place.points) for place in page.places] == [("Ana", 10)]


def test_the_companys_week_is_provisional_until_every_team_has_closed(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana", points=10)
        told(session, care, "max", "dan", points=7)
        lea = session.get_one(Person, care["lea"])
        close(session, care)
        teams, places, provisional = recognition.page_of_company(session, WEEK, lea, MONDAY)
        assert provisional
        assert [(place.rank, place.person.name, place.points) for place in places] == [
            (1, "Ana", 10),
            (2, "Dan", 7),
        ]
        recognition.close_week(session, CONFIG, care.teams["Shop"], WEEK, MONDAY + timedelta(hours=6))
        teams, places, provisional = recognition.page_of_company(session, WEEK, lea, MONDAY)
        assert not provisional
        assert [part.closed is not None for part in teams] == [True, True]
        assert [(place.rank, place.person.name, place.points) for place in places] == [
            (1, "Ana", 10),
            (2, "Dan", 7),
        ]


def test_somebody_who_no_longer_wants_to_be_shown_is_not_named_on_an_old_page(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        told(session, care, "chris", "ana")
        close(session, care)
        ana = session.get_one(Person, care["ana"])
        ana.visibility = "off"
        session.add(ana)
        session.flush()
        team = session.get_one(Team, care.teams["Care"])
        page = recognition.page_of_team(session, team, WEEK, session.get_one(Person, care["dan"]))
        assert page is not None
        assert [place.person.name for place in page.places] == ["A colleague"]
        assert page.stories == ()
        assert page.stories_kept_back == 1


def test_an_undo_racing_the_close_is_in_both_or_in_neither(db: Database, care: make.Company) -> None:
    """Whichever comes first: the frozen numbers and the corrections beside them always make the living sum."""
    from threading import Barrier, Thread

    for number in range(10):
        week = WEEK + number
        at = NOON + timedelta(weeks=number)
        with db.writing() as session:
            uid = told(session, care, "chris", "ana", at=at)
        ready = Barrier(2)

        def undo(uid: str = uid, ready: Barrier = ready, at: datetime = at) -> None:
            ready.wait()
            db.write(lambda session: withdrawn(session, uid, at + timedelta(days=5)))

        def freeze(week: Week = week, ready: Barrier = ready) -> None:
            ready.wait()
            db.write(lambda session: close(session, care, week).id)

        threads = [Thread(target=undo), Thread(target=freeze)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with db.reading() as session:
            lea = session.get_one(Person, care["lea"])
            closed = session.exec(select(ClosedWeek).where(ClosedWeek.week == str(week))).one()
            frozen = sum(line["points"] for line in closed.numbers["standings"][""])
            corrected = sum(one.points for one in recognition.corrections(session, closed, lea))
            assert (frozen, corrected) in ((10, -10), (0, 0)), f"week {week}"


# ---------------------------------------------------------------- the lead's part


@pytest.fixture
def drafted(db: Database, care: make.Company) -> int:
    """A closed week of Care: Ana won relationships (18 points), Ben had two witnesses too (10)."""
    with db.writing() as session:
        for giver in ("chris", "lea"):
            told(session, care, giver, "ana", points=9)
            told(session, care, giver, "ben", points=5)
        session.add(Channel(team_id=care.teams["Care"], kind="email", name="Team", target="team@example.com"))
        return close(session, care).id or 0


Acting = Callable[[Session, str], Person]


@pytest.fixture
def who(care: make.Company) -> Acting:
    return lambda session, handle: session.get_one(Person, care[handle])


def test_a_lead_edits_the_words_until_the_week_is_announced(
    db: Database, care: make.Company, drafted: int, who: Acting
) -> None:
    with db.writing() as session:
        lea = who(session, "lea")
        closed = session.get_one(ClosedWeek, drafted)
        row = recognition.standing_winners(session, closed)[0][0]
        recognition.save_words(
            session, drafted, lea, "What a week!", {row.id or 0: "Ana drove it there herself."}
        )
        said = recognition.message(session, CONFIG, closed)
        assert "What a week!" in said.text
        assert "Ana drove it there herself." in said.text
        recognition.announce(session, CONFIG, drafted, MONDAY, lea)
        with pytest.raises(Invalid, match="announced"):
            recognition.save_words(session, drafted, lea, "Too late", {})
        with pytest.raises(Invalid, match="announced"):
            recognition.drop(session, drafted, row.id or 0, "Too late", lea, MONDAY)


def test_a_winner_is_replaced_with_a_reason_that_stays(
    db: Database, care: make.Company, drafted: int, who: Acting
) -> None:
    with db.writing() as session:
        lea = who(session, "lea")
        closed = session.get_one(ClosedWeek, drafted)
        row = recognition.standing_winners(session, closed)[0][0]
        with pytest.raises(Invalid, match="fill this in"):
            recognition.drop(session, drafted, row.id or 0, "  ", lea, MONDAY)
        recognition.drop(session, drafted, row.id or 0, "Ana asked to pass it on.", lea, MONDAY)
        recognition.pick(
            session, drafted, "relationships", care.uids["ben"], "He stood in for her.", lea, MONDAY
        )
        assert won(session, closed) == {"relationships": ["ben"]}
        (gone,) = recognition.winners_on_desk(session, CONFIG, closed, lea, dropped=True)
        assert (gone.person.name, gone.dropped_reason) == ("Ana", "Ana asked to pass it on.")
        recognition.take_back_drop(session, drafted, row.id or 0, lea)
        assert won(session, closed) == {"relationships": ["ana", "ben"]}


def test_only_somebody_with_two_witnesses_can_be_picked(
    db: Database, care: make.Company, drafted: int, who: Acting
) -> None:
    with db.writing() as session:
        for uid in (care.uids["chris"], care.uids["dan"], "nobody"):
            with pytest.raises(Invalid, match="two witnesses"):
                recognition.pick(
                    session, drafted, "relationships", uid, "Because.", who(session, "lea"), MONDAY
                )


@pytest.mark.parametrize("handle", ["ana", "max"])
def test_only_the_teams_lead_or_an_admin_touches_its_week(
    db: Database, drafted: int, who: Acting, handle: str
) -> None:
    with db.writing() as session:
        person = who(session, handle)
        row = session.exec(select(Recognition)).one()
        for act in (
            lambda: recognition.save_words(session, drafted, person, "Mine", {}),
            lambda: recognition.drop(session, drafted, row.id or 0, "Mine", person, MONDAY),
            lambda: recognition.announce(session, CONFIG, drafted, MONDAY, person),
        ):
            with pytest.raises(Invalid, match="leads and admins"):
                act()


def test_announcing_writes_one_message_per_channel_once(
    db: Database, care: make.Company, drafted: int, who: Acting
) -> None:
    with db.writing() as session:
        shown = recognition.message(session, CONFIG, session.get_one(ClosedWeek, drafted))
        recognition.announce(session, CONFIG, drafted, MONDAY, who(session, "lea"))
        (row,) = session.exec(select(Announcement)).all()
        assert (row.subject, row.body, row.state) == (shown.subject, shown.text, "waiting")
        with pytest.raises(Invalid, match="announced"):
            recognition.announce(session, CONFIG, drafted, MONDAY, who(session, "ada"))
        assert len(session.exec(select(Announcement)).all()) == 1


def test_nobody_announces_their_own_win_and_a_leads_win_needs_an_admin(
    db: Database, care: make.Company, who: Acting
) -> None:
    with db.writing() as session:
        for giver in ("chris", "ana"):
            told(session, care, giver, "lea", points=9)
            told(session, care, giver, "ben", points=5)
        closed = close(session, care)
        lea, closed_id = who(session, "lea"), closed.id or 0
        assert won(session, closed) == {"relationships": ["lea"]}
        row = recognition.standing_winners(session, closed)[0][0]
        with pytest.raises(Invalid, match="You are among"):
            recognition.announce(session, CONFIG, closed_id, MONDAY, lea)
        with pytest.raises(Invalid, match="own win"):
            recognition.save_words(session, closed_id, lea, "", {row.id or 0: "I was great."})
        with pytest.raises(Invalid, match="admin announces"):
            recognition.announce(session, CONFIG, closed_id, MONDAY, None)
        recognition.drop(session, closed_id, row.id or 0, "Not mine to take.", lea, MONDAY)
        for act in (
            lambda: recognition.take_back_drop(session, closed_id, row.id or 0, lea),
            lambda: recognition.pick(
                session, closed_id, "relationships", care.uids["lea"], "Me.", lea, MONDAY
            ),
        ):
            with pytest.raises(Invalid, match="picks themselves"):
                act()
        recognition.take_back_drop(session, closed_id, row.id or 0, who(session, "ada"))
        recognition.announce(session, CONFIG, closed_id, MONDAY, who(session, "ada"))


def test_nothing_in_the_message_pings_or_hides_a_link(
    db: Database, care: make.Company, drafted: int, who: Acting
) -> None:
    with db.writing() as session:
        closed = session.get_one(ClosedWeek, drafted)
        loud = "@everyone <!channel> <@U123> [free](https://evil.example) <script>alert(1)</script>\u202e"
        recognition.save_words(session, drafted, who(session, "lea"), loud, {})
        text = recognition.message(session, CONFIG, closed).text
        for banned in ("@everyone", "<", ">", "](", "\u202e"):
            assert banned not in text
        assert "everyone" in text


# ---------------------------------------------------------------- the autopilot


TUESDAY = datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_the_autopilot_announces_on_tuesday_at_its_hour(
    db: Database, care: make.Company, drafted: int
) -> None:
    with db.writing() as session:
        assert recognition.announce_due(session, CONFIG, TUESDAY) == []
        team = session.get_one(Team, care.teams["Care"])
        team.autopilot = True
        session.add(team)
        session.flush()
        assert recognition.announce_due(session, CONFIG, TUESDAY - timedelta(seconds=1)) == []
        assert recognition.announce_due(session, CONFIG, TUESDAY) == [drafted]
        assert recognition.announce(session, CONFIG, drafted, TUESDAY, None).autopilot
        assert recognition.announce_due(session, CONFIG, TUESDAY) == []


def test_after_a_time_without_the_clock_the_autopilot_announces_the_latest_week_only(
    db: Database, care: make.Company, drafted: int
) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.autopilot = True
        session.add(team)
        latest = [close(session, care, WEEK + number).id or 0 for number in range(1, 5)][-1]
        assert recognition.announce_due(session, CONFIG, TUESDAY + timedelta(weeks=6)) == [latest]


def test_the_list_of_weeks_asks_no_more_for_many_than_for_two(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        ada = session.get_one(Person, care["ada"])
        for weeks, about in enumerate(("ana", "ben", "chris", "lea")):
            for giver in ("dan", "eve"):
                told(session, care, giver, about, at=NOON + timedelta(weeks=weeks))
            closed = close(session, care, WEEK + weeks)
            recognition.announce(session, CONFIG, closed.id or 0, MONDAY + timedelta(weeks=weeks), ada)

    def asked(limit: int) -> tuple[int, list[str]]:
        statements: list[str] = []

        def note(*call: Any) -> None:
            statements.append(call[2])

        event.listen(db.engine, "before_cursor_execute", note)
        with db.reading() as session:
            found = recognition.recent(session, session.get_one(Person, care["ben"]), limit=limit)
        event.remove(db.engine, "before_cursor_execute", note)
        winners = [winner for _week, parts in found for part in parts for winner in part.winners]
        names = [winner.person.name for winner in winners if winner.category == "relationships"]
        return len(statements), names

    assert asked(2)[1] == ["Lea", "Chris"]
    assert asked(4) == (asked(2)[0], ["Lea", "Chris", "Ben", "Ana"])
