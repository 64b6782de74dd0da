"""The ledger through its one door: what facts earn, in any order, once, and how they are taken back."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from leaderboard.config import OWN_SOURCE
from leaderboard.database import Database
from leaderboard.ledger import Share, link, outcomes, post, record_rules
from leaderboard.ledger.facts import EARNED_BY_OBJECT, EARNED_BY_TICKET, neighbours
from leaderboard.plugin import Event
from leaderboard.points import FairPlay, Points
from leaderboard.tables import COMPANY, EVERY, ClosedWeek, Credit, Identity, PointsEntry, Score
from leaderboard.tables import Event as StoredEvent
from tests.make import NOON, Company
from tests.trials import trials

MONDAY = datetime.fromisoformat("2026-11-16T09:00:00+00:00")


def thanks(number: int, hours: float = 0, agent: str = "ana@example.com", **more: Any) -> Event:
    return Event(
        **{
            "key": f"rating/{number}/thanks",
            "kind": "thanks.received",
            "occurred_at": MONDAY + timedelta(hours=hours),
            "agents": (agent,),
            "customer": f"customer-{number}",
            "object": f"rating/{number}",
            "ticket": str(number),
            "text": "She found our luggage!",
        }
        | more
    )


def take_in(db: Database, *events: Event, source: str = "desk", now: datetime = NOON) -> Any:
    return db.write(lambda session: post(session, source, events, now))


def points(
    db: Database, person_id: int, period: str = "2026-W47", guideline: str = EVERY, team: int = COMPANY
) -> int:
    with db.reading() as session:
        row = session.get(Score, (team, period, guideline, person_id))
        return row.points if row else 0


def ledger(db: Database, person_id: int) -> list[tuple[str, int, str]]:
    with db.reading() as session:
        query = select(PointsEntry.kind, PointsEntry.points, PointsEntry.why)
        return [
            tuple(row)
            for row in session.execute(
                query.where(PointsEntry.person_id == person_id).order_by(PointsEntry.id)
            )
        ]


def boards(db: Database) -> list[tuple[Any, ...]]:
    with db.reading() as session:
        rows = session.execute(select(Score).where(Score.points != 0)).scalars()
        return sorted((row.team_id, row.period, row.guideline, row.person_id, row.points) for row in rows)


def assert_sound(db: Database, company: Company) -> None:
    """Ledger = scores = evidence, for everyone."""
    with db.reading() as session:
        for person_id in company.people.values():
            expected = {
                id_: outcome.points if outcome else 0 for id_, outcome in outcomes(session, person_id).items()
            }
            query = select(PointsEntry.credit_id, func.sum(PointsEntry.points)).where(
                PointsEntry.person_id == person_id
            )
            live = {row[0]: int(row[1]) for row in session.execute(query.group_by(PointsEntry.credit_id))}
            assert {id_: value for id_, value in live.items() if value} == {
                i: v for i, v in expected.items() if v
            }
            total = session.execute(
                select(func.sum(Score.points)).where(
                    Score.person_id == person_id,
                    Score.team_id == COMPANY,
                    Score.guideline == EVERY,
                    Score.period == "2026",
                )
            ).scalar()
            assert (total or 0) == sum(live.values())


def test_thanks_with_words_earn_eight_in_every_period_for_company_and_team(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1))
    for period in ("2026-W47", "2026-11", "2026-Q4", "2026"):
        assert points(db, company["ana"], period) == 8
        assert points(db, company["ana"], period, "relationships", company.teams["Care"]) == 8
    assert_sound(db, company)


def test_a_repeated_fact_earns_once(db: Database, company: Company) -> None:
    posted = take_in(db, thanks(1))
    again = take_in(db, thanks(1), thanks(1, 3))
    assert (posted.new, posted.repeated, again.new, again.repeated) == (1, 0, 0, 2)
    assert points(db, company["ana"]) == 8


def test_the_same_fact_from_two_sources_is_two_facts(db: Database, company: Company) -> None:
    take_in(db, thanks(1))
    take_in(db, thanks(1), source="other")
    assert points(db, company["ana"]) == 16


def test_a_rating_earns_once_and_the_highest(db: Database, company: Company) -> None:
    good = thanks(1, key="rating/1/good", kind="rating.good", text=None)
    take_in(db, good)
    assert points(db, company["ana"]) == 2
    take_in(db, thanks(1, 1))
    assert points(db, company["ana"]) == 8
    assert ledger(db, company["ana"])[-1] == ("thanks.received", 6, "earned_before")


RECOVERY = [
    thanks(1, 0, key="rating/1/bad", kind="rating.bad"),
    thanks(1, 1, key="ticket/1/reply", kind="ticket.replied", object=None),
    thanks(1, 2),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.promise(number=5)
def test_a_recovery_earns_twelve_in_any_order_of_arrival(
    db: Database, company: Company, order: Sequence[int]
) -> None:
    for number in order:
        take_in(db, RECOVERY[number])
    assert points(db, company["ana"]) == 12
    assert points(db, company["ana"], guideline="above-and-beyond") == 12
    assert_sound(db, company)


def test_an_unhappy_rating_without_a_reply_makes_no_recovery(db: Database, company: Company) -> None:
    take_in(db, RECOVERY[0], RECOVERY[2])
    assert points(db, company["ana"]) == 8


def test_one_customer_thanks_one_person_twice_a_week_at_most(db: Database, company: Company) -> None:
    take_in(db, *(thanks(n, n, customer="ito@example.org") for n in range(4)))
    assert points(db, company["ana"]) == 16
    assert ledger(db, company["ana"])[-1][2] == "customer_week"


def test_a_witness_kind_is_capped_at_60_and_a_week_at_120(db: Database, company: Company) -> None:
    take_in(db, *(thanks(n, n / 10) for n in range(9)))
    assert points(db, company["ana"]) == 60
    assert ledger(db, company["ana"])[-2:] == [
        ("thanks.received", 4, "cap_witness"),
        ("thanks.received", 0, "cap_witness"),
    ]
    assert_sound(db, company)


def test_thanks_from_a_colleagues_address_score_nothing(db: Database, company: Company) -> None:
    take_in(db, thanks(1, customer="Ben@example.com"))
    assert ledger(db, company["ana"]) == [("thanks.received", 0, "staff_customer")]


def test_help_given_to_oneself_scores_nothing(db: Database, company: Company) -> None:
    note = Event("note/1", "help.given", MONDAY, ("ana@example.com",), giver="ana@example.com", ticket="1")
    take_in(
        db,
        note,
        Event("note/2", "help.given", MONDAY, ("ana@example.com",), giver="ben@example.com", ticket="2"),
    )
    assert [line[1:] for line in ledger(db, company["ana"])] == [(0, "own_act"), (3, "full")]


def test_help_on_one_ticket_earns_once(db: Database, company: Company) -> None:
    notes = [
        Event(f"note/{n}", "help.given", MONDAY, ("ana@example.com",), giver="ben@example.com", ticket="1")
        for n in range(50)
    ]
    take_in(db, *notes)
    assert points(db, company["ana"]) == 3


def promise(kind: str, hours: float, due: float | None = None, number: int = 1) -> Event:
    return Event(
        f"promise/{number}/{kind}",
        f"promise.{kind}",  # type: ignore[arg-type]
        MONDAY + timedelta(hours=hours),
        ("ana@example.com",),
        object=f"promise/{number}",
        ticket=str(number),
        due_at=MONDAY + timedelta(hours=due) if due is not None else None,
    )


def again(kind: str, hours: float, due: float) -> Event:
    """Another word about the same promise, as a tool without a memory gives it when the time has changed."""
    return replace(promise(kind, hours, due), key=f"promise/1/{kind}/{due}")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([promise("made", 0, 5), promise("kept", 4)], 5),
        ([promise("kept", 4)], 0),
        ([promise("made", 0, 0.4), promise("kept", 0.3)], 0),
        ([promise("made", 0, 5), promise("kept", 6)], 0),
        ([promise("made", 0, 5), promise("moved", 4, 8), promise("kept", 7)], 5),
        ([promise("made", 0, 5), promise("moved", 6, 8), promise("kept", 7)], 0),
        ([promise("made", 0, 5), promise("missed", 5)], 0),
        ([promise("made", 2, 5), promise("kept", 1)], 0),
        ([promise("made", 2, 5), promise("kept", 2)], 0),
        ([promise("made", 0, 5), again("made", 4, 8), promise("kept", 7)], 5),
        ([promise("made", 0, 5), again("made", 6, 8), promise("kept", 7)], 0),
    ],
)
def test_a_promise_earns_when_it_was_on_record_moved_in_time_and_kept(
    db: Database, company: Company, facts: list[Event], expected: int
) -> None:
    for fact in reversed(facts):
        take_in(db, fact)
    assert points(db, company["ana"]) == expected
    assert_sound(db, company)


def test_three_promises_score_in_a_day(db: Database, company: Company) -> None:
    for number in range(5):
        take_in(db, promise("made", 0, 5, number), promise("kept", 4 + number / 10, None, number))
    assert points(db, company["ana"]) == 15


def story(
    company: Company, *nominees: str, number: int = 1, each: int = 10
) -> tuple[Event, dict[str, Share]]:
    uids = tuple(company.uids[name] for name in nominees)
    told = Event(f"story/{number}/1", "story.accepted", MONDAY, uids, text="…", guideline="team-player")
    return told, {uid: Share(each, each, "full") for uid in uids}


def test_a_story_credits_each_nominee_their_share(db: Database, company: Company) -> None:
    told, shares = story(company, "ana", "dan", each=5)
    db.write(lambda s: post(s, OWN_SOURCE, [told], NOON, shares=shares, giver_id=company["ben"]))
    assert (points(db, company["ana"]), points(db, company["dan"])) == (5, 5)
    assert points(db, company["dan"], team=company.teams["Shop"]) == 5
    assert points(db, company["dan"], guideline="team-player") == 5


def withdraw(key: str, *agents: str, number: int = 1) -> Event:
    return Event(f"{key}/withdrawn/{number}", "fact.withdrawn", MONDAY, agents, object=key)


def test_undo_removes_the_points_and_undo_twice_is_once(db: Database, company: Company) -> None:
    told, shares = story(company, "ana", "ben")
    db.write(lambda s: post(s, OWN_SOURCE, [told], NOON, shares=shares, giver_id=company["chris"]))
    for number in (1, 2):
        take_in(db, withdraw("story/1/1", company.uids["ana"], number=number), source=OWN_SOURCE)
        assert (points(db, company["ana"]), points(db, company["ben"])) == (0, 10)
    take_in(db, withdraw("story/1/1", number=3), source=OWN_SOURCE)
    assert points(db, company["ben"]) == 0
    assert ledger(db, company["ana"]) == [
        ("story.accepted", 10, "full"),
        ("story.accepted", -10, "withdrawn"),
    ]
    assert_sound(db, company)


def test_a_withdrawal_that_arrives_first_leaves_a_tombstone(db: Database, company: Company) -> None:
    take_in(db, withdraw("rating/1/thanks"))
    take_in(db, thanks(1))
    assert points(db, company["ana"]) == 0
    assert ledger(db, company["ana"]) == []


def test_taking_back_an_early_fact_frees_the_cap_for_a_later_one(db: Database, company: Company) -> None:
    take_in(db, *(thanks(n, n / 10) for n in range(9)))
    take_in(db, withdraw("rating/0/thanks"))
    assert points(db, company["ana"]) == 60
    take_in(db, withdraw("rating/1/thanks"))
    assert points(db, company["ana"]) == 56
    assert_sound(db, company)


def test_an_unknown_account_waits_and_is_credited_once_linked(db: Database, company: Company) -> None:
    take_in(db, thanks(1, agent="4711"), thanks(2, agent="4711"))
    assert boards(db) == []
    with db.writing() as session:
        waiting = session.execute(select(Identity).where(Identity.account == "4711")).scalar_one()
        assert link(session, waiting.id or 0, company["ana"], NOON, by=company["ada"]) == 2
    assert points(db, company["ana"]) == 16
    take_in(db, thanks(3, agent="4711"))
    assert points(db, company["ana"]) == 24
    assert_sound(db, company)


def close(db: Database, company: Company, team: str = "Care", week: str = "2026-W47") -> None:
    with db.writing() as session:
        last = [
            session.execute(text(f"select coalesce(max(id), 0) from {name}")).scalar_one()
            for name in ("event", "points_entry")
        ]
        session.add(
            ClosedWeek(
                team_id=company.teams[team],
                week=week,
                closed_at=NOON,
                last_event_id=last[0],
                last_entry_id=last[1],
                numbers={},
            )
        )


def test_a_late_fact_counts_in_the_open_week_and_says_so(db: Database, company: Company) -> None:
    close(db, company)
    take_in(db, thanks(1), now=NOON + timedelta(days=7))
    assert (points(db, company["ana"]), points(db, company["ana"], "2026-W48")) == (0, 8)
    with db.reading() as session:
        assert session.execute(select(Credit.late)).scalar_one() is True
    assert_sound(db, company)


def test_taking_back_a_fact_of_a_closed_week_reverses_it_and_moves_nothing_else(
    db: Database, company: Company
) -> None:
    take_in(db, *(thanks(n, n / 10) for n in range(9)))
    close(db, company)
    take_in(db, withdraw("rating/0/thanks"), now=NOON + timedelta(days=7))
    assert points(db, company["ana"]) == 52
    assert points(db, company["ana"], "2026-W48") == 0
    assert_sound(db, company)


def test_a_rating_that_earned_in_a_closed_week_earns_only_the_rest_later(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1, key="rating/1/good", kind="rating.good", text=None))
    close(db, company)
    take_in(db, thanks(1, 24 * 8), now=NOON + timedelta(days=8))
    assert points(db, company["ana"], "2026-W48") == 6
    assert points(db, company["ana"], "2026") == 8
    take_in(db, withdraw("rating/1/good"), now=NOON + timedelta(days=8))
    assert points(db, company["ana"], "2026") == 8
    assert_sound(db, company)


def test_the_ledger_refuses_update_delete_and_replace(db: Database, company: Company) -> None:
    take_in(db, thanks(1))
    statements = ["UPDATE points_entry SET points = 99", "DELETE FROM points_entry"]
    statements += (
        ["INSERT OR REPLACE INTO points_entry SELECT * FROM points_entry"]
        if db.is_sqlite
        else ["TRUNCATE points_entry CASCADE"]
    )
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), db.writing() as session:
            session.execute(text(statement))
    assert points(db, company["ana"]) == 8


AGENTS = ("ana@example.com", "ben@example.com", "dan@example.com")


def random_facts(chance: random.Random, least: int = 3, most: int = 14) -> list[Event]:
    """A few weeks of facts that interfere: few people, few customers, few tickets."""
    found: dict[str, Event] = {}
    kinds = ("thanks", "good", "bad", "replied", "help", "knowledge", "made", "moved", "kept", "withdrawn")
    for number in range(chance.randint(least, most)):
        kind, ticket = chance.choice(kinds), chance.randint(1, max(4, most // 4))
        at = MONDAY + timedelta(hours=chance.randint(-24 * 9, 50), minutes=number)
        agent, customer = AGENTS[ticket % 3], f"customer-{chance.randint(1, 2)}@example.org"
        common: dict[str, Any] = {"occurred_at": at, "agents": (agent,), "ticket": str(ticket)}
        if kind in ("thanks", "good", "bad"):
            names = {"thanks": "thanks.received", "good": "rating.good", "bad": "rating.bad"}
            event = Event(
                f"rating/{ticket}/{kind}", names[kind], customer=customer, object=f"rating/{ticket}", **common
            )  # type: ignore[arg-type]
        elif kind in ("made", "moved", "kept"):
            due = at + timedelta(hours=chance.randint(0, 48))
            event = Event(
                f"promise/{ticket}/{kind}",
                f"promise.{kind}",
                object=f"promise/{ticket}",
                due_at=due,
                **common,
            )  # type: ignore[arg-type]
        elif kind == "withdrawn":
            target = chance.choice(
                [f"rating/{ticket}/thanks", f"rating/{ticket}/good", f"promise/{ticket}/kept"]
            )
            event = Event(f"{target}/withdrawn", "fact.withdrawn", at, (), object=target)
        else:
            names = {"replied": "ticket.replied", "help": "help.given", "knowledge": "knowledge.shared"}
            event = Event(f"{kind}/{number}", names[kind], giver=AGENTS[0], **common)  # type: ignore[arg-type]
        found.setdefault(event.key, event)
    return list(found.values())


facts = st.builds(random_facts, st.randoms(use_true_random=False), st.just(6), st.just(20))
limits = st.builds(
    FairPlay,
    points_per_witness_and_week=st.integers(2, 20),
    points_per_week=st.integers(4, 30),
    thanks_per_customer_and_week=st.integers(1, 2),
    promises_per_day=st.integers(1, 3),
)
"""So narrow that a few facts reach them: within wide ones nothing depends on the order."""


@pytest.mark.promise(number=5)
@settings(
    max_examples=trials(20), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(facts=facts, limits=limits, seed=st.integers(0, 2**32))
def test_any_order_and_repetition_gives_the_same_boards(
    db: Database, company: Company, facts: list[Event], limits: FairPlay, seed: int
) -> None:
    """And each fact the same points: sums alone hardly show which of several a limit has cut."""
    with db.writing() as session:
        record_rules(session, Points(), limits, NOON)
    shuffled = [event for event in facts for _ in range(random.Random(seed).randint(1, 4))]
    random.Random(seed).shuffle(shuffled)
    results = []
    for name, order in (("straight", [facts]), ("one by one", [[fact] for fact in shuffled])):
        take_back(db)
        for batch in order:
            take_in(db, *batch)
        assert_sound(db, company)
        results.append((name, boards(db), worth(db)))
    assert results[0][1:] == results[1][1:]


def worth(db: Database) -> list[tuple[Any, ...]]:
    """What each fact earns each receiver."""
    with db.reading() as session:
        query = select(StoredEvent.key, Credit.agent, Credit.points)
        return sorted(map(tuple, session.execute(query.where(StoredEvent.id == Credit.event_id))))


def take_back(db: Database) -> None:
    """Empty the ledger between two examples: only a test may, by taking the triggers off."""
    with db.writing() as session:
        if db.is_sqlite:
            session.execute(text("DROP TRIGGER IF EXISTS points_entry_no_delete"))
        else:
            session.execute(text("DROP TRIGGER IF EXISTS points_entry_no_change ON points_entry"))
        session.execute(text("UPDATE credit SET withdrawn_by = NULL, entry_id = NULL"))
        for table in ("points_entry", "score", "tally", "credit", "event", "identity"):
            session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("earlier", [3, 29])
def test_a_fact_out_of_order_below_every_limit_asks_no_more_of_a_fuller_week(
    db: Database, company: Company, earlier: int
) -> None:
    take_in(db, *(thanks(n, hours=2, kind="rating.good") for n in range(earlier)))
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    take_in(db, thanks(1000, hours=1, kind="rating.good"))
    assert not any("credit.week >= " in statement for statement in asked)  # the week is not read again
    assert points(db, company["ana"]) == 2 * earlier + 2
    assert_sound(db, company)


def test_a_fact_out_of_order_at_a_limit_moves_the_points_to_the_earlier_one(
    db: Database, company: Company
) -> None:
    take_in(db, *(thanks(n, hours=2 + n) for n in range(8)))  # 64 points where 60 are allowed
    take_in(db, thanks(1000, hours=1))
    assert points(db, company["ana"]) == 60
    with db.reading() as session:
        first = session.execute(
            select(Credit.points).where(Credit.agent == "ana@example.com").order_by(Credit.id.desc())
        )
        assert first.scalars().first() == 8
    assert_sound(db, company)


@pytest.mark.parametrize("by", [EARNED_BY_OBJECT, EARNED_BY_TICKET])
def test_what_a_thing_earned_before_is_found_by_the_thing_at_any_size_of_the_ledger(
    tmp_path: Path, migrated_sqlite: Path, by: Any
) -> None:
    # PostgreSQL plans by what it has counted; SQLite by rule, and once by the wrong one.
    db = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'planned.db')}")
    asked: list[str] = []
    with db.reading() as session:
        driver: Any = session.connection().connection.driver_connection
        driver.set_trace_callback(asked.append)
        list(by.found(session, [("desk", "1")], person_id=1, before="9999"))
        driver.set_trace_callback(None)
        (statement,) = (one for one in asked if one.startswith("SELECT"))
        plan = " / ".join(str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}"))
    db.dispose()
    assert plan.startswith("SEARCH event USING INDEX ix_event_"), plan


def test_the_neighbours_of_a_fact_are_found_by_indexes_at_any_size_of_the_ledger(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    db = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'planned.db')}")
    row = SimpleNamespace(
        person_id=1, source="desk", object="1", ticket="2", week="2026-W47", customer_key="c", counts_on=None
    )
    asked: list[str] = []
    with db.reading() as session:
        driver: Any = session.connection().connection.driver_connection
        driver.set_trace_callback(asked.append)
        assert neighbours(session, row) == []
        driver.set_trace_callback(None)
        (statement,) = (one for one in asked if one.startswith("SELECT"))
        plan = [str(line[3]) for line in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
    db.dispose()
    assert [line for line in plan if line.startswith("SEARCH") and "PRIMARY KEY" not in line] == [
        "SEARCH event USING INDEX ix_event_object (source=? AND object=?)",
        "SEARCH credit USING INDEX sqlite_autoindex_credit_1 (event_id=?)",
        "SEARCH event USING INDEX ix_event_ticket (source=? AND ticket=?)",
        "SEARCH credit USING INDEX sqlite_autoindex_credit_1 (event_id=?)",
        "SEARCH credit USING INDEX ix_credit_person_week (person_id=? AND week=? AND customer_key=? AND points>?)",
        "SEARCH credit USING INDEX ix_credit_person_day (person_id=? AND kind=? AND counts_on=? AND points>?)",
    ], plan
