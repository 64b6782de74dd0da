"""What a source brought in some time, taken back at once and given back, by its preview and whatever closes meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from leaderboard.database import Database
from leaderboard.ledger import link
from leaderboard.ledger.merging import move_strays, unlink
from leaderboard.ledger.taking_back import (
    ask,
    ask_undo,
    carry_out,
    concerned,
    preview,
    reversals,
    untold,
    waiting,
)
from leaderboard.plugin import Event, Invalid
from leaderboard.recognition.reading import corrections
from leaderboard.tables import ClosedWeek, Credit, Person, Reversal
from tests.make import NOON, Company
from tests.test_ledger import boards, close, points, take_in, thanks
from tests.test_merging import account, one, sound, state, undo

HOUR = timedelta(hours=1)
LATER = NOON + 6 * HOUR
NEXT_WEEK = NOON + timedelta(days=7)


def asked(
    db: Database,
    company: Company,
    since: datetime = NOON,
    until: datetime = NOON + HOUR,
    now: datetime = LATER,
) -> int:
    def work(session: Any) -> int:
        found = preview(session, "desk", since, until)
        return ask(session, "desk", since, until, found.facts, "forged", now, company["ada"]).id or 0

    return db.write(work)


def take_back(db: Database, company: Company, **more: Any) -> int:
    number = asked(db, company, **more)
    assert db.write(lambda session: carry_out(session, number, more.get("now", LATER)))
    return number


def give_back(db: Database, company: Company, number: int, now: datetime = LATER) -> None:
    db.write(lambda session: ask_undo(session, number, "they were real", now, company["ada"]))
    assert db.write(lambda session: carry_out(session, number, now))


def busy(db: Database) -> None:
    """Honest facts before, and between them what came in the hour after NOON."""
    take_in(db, thanks(1), thanks(2, agent="ben@example.com"), now=NOON - HOUR)
    take_in(db, *(thanks(n, 2 + n) for n in range(10, 19)), thanks(20, agent="stranger"))
    take_in(db, thanks(3, 30), now=NOON + 2 * HOUR)
    take_in(db, thanks(10, 12), source="other")


def test_the_preview_says_how_much_of_whom_and_in_which_weeks(db: Database, company: Company) -> None:
    busy(db)
    take_in(db, thanks(40, agent="eve@example.com"))
    close(db, company)
    with db.reading() as session:
        seen = preview(session, "desk", NOON, NOON + HOUR)
    assert (seen.facts, seen.people, seen.unlinked) == (11, 2, 1)
    assert seen.points == 44 + 8, "Ana's week was nearly full before"
    assert [(week.team, week.is_closed, week.facts) for week in seen.weeks] == [
        ("Care", True, 9),
        ("Shop", False, 1),
    ]


def test_taking_back_leaves_the_boards_as_if_it_had_never_come(db: Database, company: Company) -> None:
    busy(db)
    number = take_back(db, company)
    assert points(db, company["ana"]) == 24, "what a cap had kept out moves up"
    assert points(db, company["ben"]) == 8
    sound(db)
    with db.reading() as session:
        row = session.get_one(Reversal, number)
        assert (row.state, row.facts, row.people, row.reason) == ("done", 10, 1, "forged")
        assert concerned(session, row) == [company["ana"]]
    db.write(lambda session: link(session, account(db, "stranger").id or 0, company["chris"], LATER))
    assert points(db, company["chris"]) == 0


def test_taken_back_and_given_back_is_as_before(db: Database, company: Company) -> None:
    busy(db)
    before = state(db)
    number = take_back(db, company)
    assert boards(db) != before["boards"]
    give_back(db, company, number)
    assert state(db) == before
    sound(db)
    again = take_back(db, company)
    give_back(db, company, again)
    assert state(db) == before
    sound(db)


def test_a_closed_week_keeps_its_numbers_and_shows_both_corrections(db: Database, company: Company) -> None:
    busy(db)
    close(db, company)
    before = state(db)
    number = take_back(db, company)
    assert points(db, company["ana"]) == 16, "and nothing moves up in a closed week"
    with db.reading() as session:
        week = session.execute(select(ClosedWeek)).scalar_one()
        shown = corrections(session, week, session.get_one(Person, company["ana"]))
        assert sum(line.points for line in shown) == -44
    sound(db)
    give_back(db, company, number)
    assert state(db) == before
    with db.reading() as session:
        shown = corrections(session, week, session.get_one(Person, company["ana"]))
        assert sum(line.points for line in shown) == 0
    sound(db)


def test_what_a_week_missed_by_its_closing_comes_late_when_it_is_given_back(
    db: Database, company: Company
) -> None:
    busy(db)
    number = take_back(db, company)
    close(db, company)
    give_back(db, company, number, NEXT_WEEK)
    assert points(db, company["ana"]) == 24
    assert points(db, company["ana"], "2026-W48") == 60
    with db.reading() as session:
        late = [row for row in session.execute(select(Credit)).scalars() if row.late]
        assert {row.week for row in late} == {"2026-W48"}
        assert len(late) == 9
    sound(db)


def test_a_week_that_closed_in_between_knew_what_it_knew(db: Database, company: Company) -> None:
    """A rating's thanks of week 47 were gone when week 48 closed, so the same rating earned in full there, and stays so."""
    take_in(db, thanks(1))
    close(db, company)
    number = take_back(db, company)
    take_in(db, thanks(2, 170, object="rating/1", customer="x"), now=NEXT_WEEK)
    assert points(db, company["ana"], "2026-W48") == 8
    close(db, company, week="2026-W48")
    give_back(db, company, number, NEXT_WEEK + timedelta(days=7))
    assert points(db, company["ana"], "2026") == 16
    sound(db)


def test_what_the_tool_itself_took_back_meanwhile_stays_taken_back(db: Database, company: Company) -> None:
    take_in(db, thanks(1), thanks(2))
    number = take_back(db, company)
    take_in(
        db, Event(key="gone", kind="fact.withdrawn", occurred_at=NOON, object="rating/1/thanks"), now=LATER
    )
    give_back(db, company, number)
    assert points(db, company["ana"]) == 8
    sound(db)


def test_a_fact_that_was_taken_back_earns_nothing_when_it_is_sent_again(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1))
    take_back(db, company)
    take_in(db, thanks(1), now=LATER)
    assert points(db, company["ana"]) == 0


def test_a_merge_between_taking_and_giving_back_is_undone_all_the_same(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1), thanks(2, agent="chris@example.com"))
    before = state(db)
    number = take_back(db, company)
    merged = one(db, company)
    give_back(db, company, number)
    assert points(db, company["ana"]) == 16
    sound(db)
    undo(db, merged)
    assert state(db) == before
    sound(db)


def test_what_comes_late_because_it_was_gone_counts_for_whoever_its_person_is_by_then(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(2, agent="chris@example.com"))
    number = take_back(db, company)
    close(db, company)
    merged = one(db, company)
    give_back(db, company, number, NEXT_WEEK)
    assert points(db, company["ana"], "2026-W48") == 8
    sound(db)
    undo(db, merged, NEXT_WEEK)
    assert points(db, company["chris"], "2026-W48") == 8
    sound(db)


def test_what_is_given_back_to_an_account_that_was_unlinked_meanwhile_waits_for_whoever_it_is(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1), thanks(2, agent="ben@example.com"))
    number = take_back(db, company)
    mine = account(db, "ana@example.com").id or 0
    db.write(lambda session: unlink(session, mine, LATER))
    give_back(db, company, number)
    assert (points(db, company["ana"]), points(db, company["ben"])) == (0, 8)
    db.write(lambda session: link(session, mine, company["chris"], LATER))
    assert points(db, company["chris"]) == 8
    sound(db)


def test_what_is_asked_for_is_done_once(db: Database, company: Company) -> None:
    busy(db)
    number = asked(db, company)
    with db.reading() as session:
        assert waiting(session) == [number]
        assert points(db, company["ana"]) == 60, "nothing of it is done yet"
    assert db.write(lambda session: carry_out(session, number, LATER))
    assert not db.write(lambda session: carry_out(session, number, LATER))
    with db.reading() as session:
        assert waiting(session) == []
        assert [row.id for row in untold(session)] == [number]
        assert [row.id for row in reversals(session, "desk")] == [number]
    with pytest.raises(Invalid, match="Nothing that still counts"):
        asked(db, company)


def test_what_cannot_be_taken_back_says_why(db: Database, company: Company) -> None:
    busy(db)
    for since, until, reason, facts, words in (
        (NOON + HOUR, NOON, "forged", 10, "before the beginning"),
        (NOON, LATER + HOUR, "forged", 10, "lies ahead"),
        (NOON, NOON + HOUR, " ", 10, "Say why"),
        (NOON, NOON + HOUR, "forged", 9, "numbers have changed"),
        (NOON - 9 * HOUR, NOON - 8 * HOUR, "forged", 0, "Nothing that still counts"),
    ):
        with db.writing() as session, pytest.raises(Invalid, match=words):
            ask(session, "desk", since, until, facts, reason, LATER)
    with pytest.raises(LookupError):
        db.write(lambda session: carry_out(session, 99, LATER))


def test_deliveries_merges_and_reversals_at_the_same_time_end_sound(db: Database, company: Company) -> None:
    busy(db)

    def deliver() -> None:
        for number in range(100, 112):
            take_in(
                db, thanks(number, agent="chris@example.com" if number % 2 else "ana@example.com"), now=LATER
            )

    def merge_and_undo() -> None:
        for _ in range(3):
            undo(db, one(db, company))

    def take_and_give() -> None:
        for _ in range(2):
            give_back(db, company, take_back(db, company))

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(work) for work in (deliver, merge_and_undo, take_and_give)]:
            done.result()
    db.write(lambda session: move_strays(session, LATER))
    sound(db)
    assert points(db, company["ana"]) == 60, "her week was full before, and is again"
