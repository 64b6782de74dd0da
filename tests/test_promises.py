"""Promises: made, moved in time, kept, confirmed by somebody else, missed; a helpdesk's in any order."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import func
from sqlmodel import Session, select

from leaderboard import ledger, promises
from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event, Invalid
from leaderboard.promises import Making
from leaderboard.tables import Identity, Person, PointsEntry, Promise
from tests.make import NOON, Company

HOUR = timedelta(hours=1)
DUE = NOON + 4 * HOUR


def act(db: Database, company: Company, do: Callable[..., Promise], who: str, *what: object) -> Promise:
    """Let somebody do something in a unit of work of its own."""

    def work(session: Session) -> Promise:
        person = session.get_one(Person, company[who])
        if do is promises.make:
            return do(session, person, *what)
        uid, *rest = what
        return do(session, uid, person, *rest)

    return db.write(work, tries=20)


def make(db: Database, company: Company, who: str = "ana", at: datetime = NOON, **other: object) -> str:
    making = Making(**({"what": "Call back about the lost parcel", "due_at": DUE} | other))  # type: ignore[arg-type]
    return act(db, company, promises.make, who, making, at).uid


def points(db: Database, company: Company, who: str = "ana") -> int:
    with db.reading() as session:
        mine = PointsEntry.person_id == company[who]
        return int(session.exec(select(func.coalesce(func.sum(PointsEntry.points), 0)).where(mine)).one())


# --- ours ---------------------------------------------------------------------------------------------------


def test_a_kept_promise_earns_once_somebody_else_confirms_it(db: Database, company: Company) -> None:
    uid = make(db, company)
    kept = act(db, company, promises.keep, "ana", uid, "Called, all is well", NOON + HOUR)
    assert (kept.state, kept.note, points(db, company)) == ("kept", "Called, all is well", 0)
    for _ in range(2):
        confirmed = act(db, company, promises.confirm, "ben", uid, NOON + 2 * HOUR)
        assert (confirmed.confirmed_as, confirmed.confirmed_by) == ("colleague", company["ben"])
    assert points(db, company) == 5


def test_two_colleagues_at_once_confirm_once(db: Database, company: Company) -> None:
    uid = make(db, company)
    act(db, company, promises.keep, "ana", uid, "", NOON + HOUR)

    def click(number: int) -> None:
        act(db, company, promises.confirm, ("ben", "chris")[number % 2], uid, NOON + 2 * HOUR)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(click, range(16)))
    assert points(db, company) == 5


def test_a_confirmation_can_be_taken_back_and_given_again(db: Database, company: Company) -> None:
    uid = make(db, company)
    act(db, company, promises.keep, "ana", uid, "", NOON + HOUR)
    for _ in range(2):
        act(db, company, promises.confirm, "ben", uid, NOON + HOUR)
        assert points(db, company) == 5
        act(db, company, promises.take_back, "ben", uid, NOON + HOUR)
        assert points(db, company) == 0


def test_nobody_confirms_their_own_promise_nor_by_a_merged_account(db: Database, company: Company) -> None:
    uid = make(db, company, "chris")
    act(db, company, promises.keep, "chris", uid, "", NOON + HOUR)
    with pytest.raises(PermissionError):
        act(db, company, promises.confirm, "chris", uid, NOON + HOUR)
    with db.writing() as session:
        session.get_one(Person, company["chris"]).merged_into_id = company["ana"]
    with pytest.raises(PermissionError):
        act(db, company, promises.confirm, "ana", uid, NOON + HOUR)


@pytest.mark.parametrize(
    ("making", "field"),
    [
        ({"what": " "}, "what"),
        ({"what": "x" * 501}, "what"),
        ({"what": "call\0"}, "what"),
        ({"due_at": NOON}, "due_at"),
        ({"due_at": NOON + timedelta(days=367)}, "due_at"),
        ({"contact_at": NOON - timedelta(days=2)}, "contact_at"),
        ({"customer": "x" * 121}, "customer"),
        ({"ticket": "\ud800"}, "ticket"),
    ],
)
def test_what_cannot_be_promised_is_refused_beside_its_field(
    db: Database, company: Company, making: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        make(db, company, **making)
    assert refused.value.field == field


def test_a_promise_moves_in_time_and_is_kept_by_its_new_time(db: Database, company: Company) -> None:
    uid = make(db, company)
    moved = act(
        db, company, promises.move, "ana", uid, DUE + 24 * HOUR, True, "The part is late", NOON + HOUR
    )
    assert moved.due_at == DUE + 24 * HOUR
    with db.reading() as session:
        moves = promises.moves_of(session, moved)
    assert [(each.from_due_at, each.told, each.reason) for each in moves] == [(DUE, True, "The part is late")]
    act(db, company, promises.keep, "ana", uid, "", DUE + HOUR)
    act(db, company, promises.confirm, "ben", uid, DUE + HOUR)
    assert points(db, company) == 5


def test_a_promise_does_not_move_after_its_time(db: Database, company: Company) -> None:
    uid = make(db, company)
    with pytest.raises(Invalid, match="time has passed"):
        act(db, company, promises.move, "ana", uid, DUE + 9 * HOUR, True, "", DUE + timedelta(seconds=1))


def test_only_its_maker_moves_and_keeps_a_promise(db: Database, company: Company) -> None:
    uid = make(db, company)
    for who, error in (("ben", PermissionError), ("dan", LookupError)):
        with pytest.raises(error):
            act(db, company, promises.move, who, uid, DUE + HOUR, False, "", NOON)
        with pytest.raises(error):
            act(db, company, promises.keep, who, uid, "", NOON)


def test_a_promise_on_record_for_less_than_half_an_hour_earns_nothing(db: Database, company: Company) -> None:
    uid = make(db, company, due_at=NOON + timedelta(minutes=29))
    act(db, company, promises.keep, "ana", uid, "", NOON + timedelta(minutes=20))
    act(db, company, promises.confirm, "ben", uid, NOON + timedelta(minutes=20))
    assert points(db, company) == 0


def test_the_clock_marks_a_missed_promise_and_it_costs_nothing(db: Database, company: Company) -> None:
    uid = make(db, company)
    for moment, marked in ((DUE, 0), (DUE + HOUR, 1), (DUE + 2 * HOUR, 0)):
        assert db.write(lambda session, moment=moment: promises.mark_missed(session, moment)) == marked
    assert points(db, company) == 0
    late = act(db, company, promises.keep, "ana", uid, "A day late, but done", DUE + 20 * HOUR)
    assert (late.state, late.kept_at, late.note) == ("missed", DUE + 20 * HOUR, "A day late, but done")
    with pytest.raises(Invalid, match="nothing to confirm"):
        act(db, company, promises.confirm, "ben", uid, DUE + 21 * HOUR)


def test_its_maker_takes_an_open_promise_back(db: Database, company: Company) -> None:
    uid = make(db, company)
    assert act(db, company, promises.take_back, "ana", uid, NOON + HOUR).state == "withdrawn"
    act(db, company, promises.keep, "ana", uid, "", NOON + HOUR)
    assert points(db, company) == 0


def test_one_scores_per_ticket_and_day_and_three_per_day(db: Database, company: Company) -> None:
    tickets = ["17", "17", "18", "19", "20"]
    for ticket in tickets:
        uid = make(db, company, ticket=ticket)
        act(db, company, promises.keep, "ana", uid, "", NOON + HOUR)
        act(db, company, promises.confirm, "ben", uid, NOON + HOUR)
    assert points(db, company) == 15


def test_the_kept_rate_is_said_from_five_on(db: Database, company: Company) -> None:
    for number in range(5):
        uid = make(db, company)
        if number:
            act(db, company, promises.keep, "ana", uid, "", NOON + HOUR)
        with db.reading() as session:
            ana = session.get_one(Person, company["ana"])
            assert promises.standing(session, ana, NOON).rate is None
    make(db, company, due_at=DUE + 99 * HOUR)
    db.write(lambda session: promises.mark_missed(session, DUE + HOUR))
    with db.reading() as session:
        found = promises.standing(session, session.get_one(Person, company["ana"]), NOON)
    assert (found.open, found.kept, found.ended, found.rate) == (1, 4, 5, 80)


@pytest.mark.parametrize(
    ("who", "sees"),
    [("ana", True), ("ben", True), ("lea", True), ("ada", True), ("dan", False), ("max", False)],
)
def test_a_promise_is_for_its_maker_the_team_its_leads_and_admins(
    db: Database, company: Company, who: str, sees: bool
) -> None:
    uid = make(db, company)
    with db.reading() as session:
        viewer = session.get_one(Person, company[who])
        if sees:
            assert promises.find(session, uid, viewer).uid == uid
        else:
            with pytest.raises(LookupError):
                promises.find(session, uid, viewer)


# --- a helpdesk's time stamp --------------------------------------------------------------------------------


def an_answer(ticket: str, at: datetime, agent: str = "ana@example.com") -> Event:
    return Event(
        key=f"reply/{ticket}/{at}", kind="ticket.replied", occurred_at=at, agents=(agent,), ticket=ticket
    )


@pytest.mark.parametrize("stamp_first", [True, False])
def test_a_helpdesks_time_stamp_confirms_a_promise_about_its_ticket(
    db: Database, company: Company, stamp_first: bool
) -> None:
    uid = make(db, company, ticket="4711")
    answer = an_answer("4711", NOON + HOUR)
    if stamp_first:
        db.write(lambda session: take_in(session, "zendesk", [answer], NOON + HOUR))
    act(db, company, promises.keep, "ana", uid, "", NOON + 2 * HOUR)
    if not stamp_first:
        assert points(db, company) == 0
        db.write(lambda session: take_in(session, "zendesk", [answer], NOON + 3 * HOUR))
        db.write(lambda session: promises.mark_missed(session, NOON + 3 * HOUR))
    assert points(db, company) == 5
    with db.reading() as session:
        row = promises.find(session, uid, session.get_one(Person, company["ana"]))
    assert row.confirmed_as == "helpdesk"


@pytest.mark.parametrize(
    "answer",
    [
        an_answer("4711", NOON - HOUR),  # before it was made
        an_answer("4711", DUE + timedelta(minutes=1)),  # after it was due
        an_answer("4712", NOON + HOUR),  # another ticket
        an_answer("4711", NOON + HOUR, "ben@example.com"),  # another's answer
    ],
)
def test_another_time_stamp_confirms_nothing(db: Database, company: Company, answer: Event) -> None:
    uid = make(db, company, ticket="4711")
    act(db, company, promises.keep, "ana", uid, "", NOON + 2 * HOUR)
    db.write(lambda session: take_in(session, "zendesk", [answer], DUE + HOUR))
    db.write(lambda session: promises.mark_missed(session, DUE + HOUR))
    assert points(db, company) == 0


# --- a helpdesk's promises ----------------------------------------------------------------------------------


def fact(kind: str, at: datetime, due_at: datetime | None = None, text: str | None = None) -> Event:
    return Event(
        key=f"p7/{kind}/{at.isoformat()}",
        kind=kind,  # type: ignore[arg-type]
        occurred_at=at,
        agents=("ana@example.com",),
        object="promise/7",
        ticket="4711",
        due_at=due_at,
        text=text,
    )


HISTORY = (
    fact("promise.made", NOON - 3 * HOUR, NOON, "We send the part"),
    fact("promise.moved", NOON - 2 * HOUR, NOON + HOUR),
    fact("promise.kept", NOON + timedelta(minutes=30)),
)


@pytest.mark.parametrize("word", ["moved", "made"])  # a tool without a memory says `made` with each new time
@pytest.mark.parametrize("order", range(6))
def test_a_helpdesks_promise_is_the_same_in_any_order(
    db: Database, company: Company, order: int, word: str
) -> None:
    made, moved, kept = HISTORY
    told = (made, replace(moved, kind=f"promise.{word}"), kept)
    for event in list(permutations(told))[order]:
        for _ in range(2):
            db.write(lambda session, event=event: take_in(session, "desk", [event], NOON + 2 * HOUR))
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
        moves = promises.moves_of(session, row)
    assert (row.what, row.made_at, row.due_at, row.state) == (
        "We send the part",
        NOON - 3 * HOUR,
        NOON + HOUR,
        "kept",
    )
    assert (row.maker_id, row.confirmed_as, row.ticket) == (company["ana"], "helpdesk", "4711")
    assert [(each.from_due_at, each.to_due_at) for each in moves] == [(NOON, NOON + HOUR)]
    assert points(db, company) == 5


def test_a_helpdesks_promise_said_again_with_the_same_time_has_not_moved(
    db: Database, company: Company
) -> None:
    told = [HISTORY[0], fact("promise.made", NOON - 2 * HOUR, NOON), fact("promise.moved", NOON - HOUR, NOON)]
    db.write(lambda session: take_in(session, "desk", told, NOON - HOUR))
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
        assert promises.moves_of(session, row) == []
    assert (row.made_at, row.due_at, row.state) == (NOON - 3 * HOUR, NOON, "open")


def test_a_helpdesks_promise_taken_back_is_withdrawn_here(db: Database, company: Company) -> None:
    made = HISTORY[0]
    gone = Event(key="gone", kind="fact.withdrawn", occurred_at=NOON, object=made.key)
    for event in (made, gone):
        db.write(lambda session, event=event: take_in(session, "desk", [event], NOON))
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "withdrawn"


def test_nobody_keeps_a_helpdesks_promise_by_hand(db: Database, company: Company) -> None:
    db.write(lambda session: take_in(session, "desk", [HISTORY[0]], NOON - HOUR))
    with db.reading() as session:
        uid = session.exec(select(Promise.uid)).one()
    with pytest.raises(PermissionError):
        act(db, company, promises.keep, "ana", uid, "", NOON - HOUR)


def test_a_promise_of_an_unknown_account_waits_for_its_maker(db: Database, company: Company) -> None:
    stranger = Event(
        key="p8/made",
        kind="promise.made",
        occurred_at=NOON - HOUR,
        agents=("agent-77",),
        object="promise/8",
        due_at=DUE,
    )
    kept = Event(
        key="p8/kept", kind="promise.kept", occurred_at=NOON, agents=("agent-77",), object="promise/8"
    )
    db.write(lambda session: take_in(session, "desk", [stranger], NOON))
    with db.writing() as session:
        assert session.exec(select(Promise.maker_id)).one() is None
        account = session.exec(select(Identity.id).where(Identity.account == "agent-77")).one()
        ledger.link(session, account or 0, company["ben"], NOON)
    db.write(lambda session: take_in(session, "desk", [kept], NOON))
    with db.reading() as session:
        assert session.exec(select(Promise.maker_id)).one() == company["ben"]
    assert points(db, company, "ben") == 5


def test_a_helpdesks_promise_that_moves_after_its_time_stays_where_it_was(
    db: Database, company: Company
) -> None:
    moved_late = fact("promise.moved", NOON + HOUR, NOON + 9 * HOUR)
    kept = fact("promise.kept", NOON + 2 * HOUR)
    db.write(lambda session: take_in(session, "desk", [HISTORY[0], moved_late, kept], NOON + 3 * HOUR))
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
    assert (row.due_at, row.state, row.confirmed_as) == (NOON, "missed", None)
    assert points(db, company) == 0
