"""People who are one and accounts that are somebody else's: what moves, what stays, and that undoing leaves nothing behind."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from leaderboard.audit import audit, rebuild
from leaderboard.config import OWN_SOURCE
from leaderboard.database import Database
from leaderboard.deliveries.pulling import link_newcomers
from leaderboard.ledger import Share, link
from leaderboard.ledger.merging import merge, merges_of, move_strays, preview_merge, unlink, unmerge
from leaderboard.plugin import Event, Invalid
from leaderboard.standings import Board, explain, top, total_ever
from leaderboard.tables import ClosedWeek, Credit, Identity, Merge, Person, PointsEntry, Tally
from tests.make import NOON, Company
from tests.test_ledger import MONDAY, boards, close, points, take_in, thanks
from tests.trials import trials

LATER = NOON + timedelta(hours=3)


def one(db: Database, company: Company, who: str = "chris", into: str = "ana") -> int:
    return db.write(
        lambda session: (
            merge(session, company[who], company[into], "imported twice", LATER, company["ada"]).id or 0
        )
    )


def undo(db: Database, merge_id: int, now: Any = LATER) -> None:
    db.write(lambda session: unmerge(session, merge_id, now))


def sound(db: Database) -> None:
    """Ledger, scores and evidence agree, and computing everything anew changes nothing."""
    with db.reading() as session:
        assert list(audit(session)) == []
    before = state(db)
    assert rebuild(db, LATER) == 0
    assert state(db) == before


def state(db: Database) -> dict[str, Any]:
    """All that a merge may change and its undoing has to bring back: everything but the ledger's own lines."""
    left_out = {"entry_id", "fs_uniquifier", "changed_at", "unread"}
    with db.reading() as session:
        connection = session.connection()
        found: dict[str, Any] = {
            table.name: sorted(
                repr([row[name] for name in row if name not in left_out])
                for row in connection.execute(select(table)).mappings()
            )
            for table in (Credit.__table__, Person.__table__, Identity.__table__)  # type: ignore[attr-defined]
        }
        tallies = connection.execute(select(Tally.__table__)).mappings()  # type: ignore[attr-defined]
        found["tally"] = sorted(
            repr(dict(row)) for row in tallies if any(row[name] for name in ("colleague", "customer", "work"))
        )
        found["closed"] = [row.numbers for row in session.execute(select(ClosedWeek)).scalars()]
    return found | {"boards": boards(db)}


# ---------------------------------------------------------------- merging


def test_a_merge_counts_both_for_one_and_its_lines_say_why(db: Database, company: Company) -> None:
    take_in(db, thanks(1), thanks(2, agent="chris@example.com"), thanks(3, agent="ben@example.com"))
    one(db, company)
    assert points(db, company["ana"]) == 16
    assert points(db, company["chris"]) == 0
    with db.reading() as session:
        assert [place.person_id for place in top(session, Board("2026-W47"), LATER)] == [
            company["ana"],
            company["ben"],
        ]
        lines = explain(session, company["ana"])
        assert sum(line.points for line in lines) == total_ever(session, company["ana"]) == 16
        assert [(line.points, line.why) for line in lines] == [
            (8, "full"),
            (-8, "moved"),
            (8, "full"),
            (8, "full"),
        ]
    sound(db)


def test_limits_hold_for_the_one_person(db: Database, company: Company) -> None:
    """Eight thanks are 64 points, and 60 is the most that customers bring in a week."""
    take_in(db, *(thanks(n, agent="chris@example.com" if n % 2 else "ana@example.com") for n in range(8)))
    assert points(db, company["ana"]) + points(db, company["chris"]) == 64
    merged = one(db, company)
    assert points(db, company["ana"]) == 60
    sound(db)
    undo(db, merged)
    assert (points(db, company["ana"]), points(db, company["chris"])) == (32, 32)


def told(db: Database, company: Company, by: str, about: str, number: int = 1) -> None:
    from leaderboard.ledger import post

    story = Event(
        key=f"story/{number}", kind="story.accepted", occurred_at=MONDAY, agents=(company.uids[about],)
    )
    share = {company.uids[about]: Share(10, 10, "full")}
    db.write(lambda session: post(session, OWN_SOURCE, [story], NOON, shares=share, giver_id=company[by]))


@pytest.mark.parametrize(("by", "about"), [("chris", "ana"), ("ana", "chris")])
def test_what_one_gave_the_other_becomes_ones_own_act(
    db: Database, company: Company, by: str, about: str
) -> None:
    told(db, company, by, about)
    assert points(db, company[about]) == 10
    before = state(db)
    merged = one(db, company)
    assert points(db, company["ana"]) == 0
    with db.reading() as session:
        assert explain(session, company["ana"])[0].why == "own_act"
    sound(db)
    undo(db, merged)
    assert state(db) == before


def test_a_closed_week_stays_as_it_is_and_counts_for_the_year_of_the_one_person(
    db: Database, company: Company
) -> None:
    told(db, company, "chris", "ana")
    take_in(db, thanks(1), thanks(2, agent="chris@example.com"))
    close(db, company)
    take_in(db, thanks(3, 170, agent="chris@example.com"), now=NOON + timedelta(days=7))
    with db.reading() as session:
        lines = [row.id for row in session.execute(select(PointsEntry)).scalars() if row.week == "2026-W47"]
        seen = preview_merge(session, *(session.get_one(Person, company[who]) for who in ("chris", "ana")))
    assert (seen.facts, seen.points, seen.staying, seen.own_acts) == (1, 8, 1, 1)
    merged = one(db, company)
    with db.reading() as session:
        after = [row.id for row in session.execute(select(PointsEntry)).scalars() if row.week == "2026-W47"]
        assert lines == after, "the closed week has no new line"
        assert sum(line.points for line in explain(session, company["ana"])) == 34
    assert points(db, company["ana"], "2026") == 34
    assert points(db, company["ana"], "2026-W48") == 8
    sound(db)
    undo(db, merged)
    assert (points(db, company["ana"], "2026"), points(db, company["chris"], "2026")) == (18, 16)
    sound(db)


def test_a_fact_of_a_closed_week_that_is_taken_back_after_a_merge_leaves_the_score_of_the_one(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1, agent="chris@example.com"))
    close(db, company)
    merged = one(db, company)
    assert points(db, company["ana"], "2026") == 8
    gone = Event(key="gone/1", kind="fact.withdrawn", occurred_at=NOON, object="rating/1/thanks")
    take_in(db, gone, now=LATER)
    assert points(db, company["ana"], "2026") == 0
    sound(db)
    undo(db, merged)
    assert points(db, company["chris"], "2026") == 0
    sound(db)


def test_while_a_week_is_closed_for_one_team_only_nobody_is_merged_across(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1), thanks(2, agent="eve@example.com"))
    close(db, company)
    with pytest.raises(Invalid, match="2026-W47 is closed for one of their teams"):
        one(db, company, "eve")
    close(db, company, "Shop")
    one(db, company, "eve")
    sound(db)


def test_what_accounts_bring_meanwhile_goes_back_with_them_and_what_was_told_stays(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1, agent="chris@example.com"))
    merged = one(db, company)
    take_in(db, thanks(2, agent="chris@example.com"), now=LATER)
    told(db, company, "ben", "ana")
    assert points(db, company["ana"]) == 26
    undo(db, merged)
    assert (points(db, company["ana"]), points(db, company["chris"])) == (10, 16)
    sound(db)


def test_what_counted_in_a_week_that_was_closed_meanwhile_stays_there(db: Database, company: Company) -> None:
    take_in(db, thanks(1, agent="chris@example.com"))
    merged = one(db, company)
    close(db, company)
    undo(db, merged, NOON + timedelta(days=7))
    assert (points(db, company["ana"]), points(db, company["chris"])) == (8, 0)
    sound(db)


def test_a_fact_that_came_at_the_very_moment_of_a_merge_is_moved_by_the_clock(
    db: Database, company: Company
) -> None:
    """PostgreSQL may know the account as it was a moment ago: the person is taken apart from the merge for that moment."""
    one(db, company)
    with db.writing() as session:
        session.get_one(Person, company["chris"]).merged_into_id = None
    take_in(db, thanks(1, agent="chris@example.com"))
    with db.writing() as session:
        session.get_one(Person, company["chris"]).merged_into_id = company["ana"]
    assert db.write(lambda session: move_strays(session, LATER)) == 1
    assert db.write(lambda session: move_strays(session, LATER)) == 0
    assert points(db, company["ana"]) == 8
    sound(db)


def test_who_was_merged_cannot_sign_in_and_comes_back_as_they_were(db: Database, company: Company) -> None:
    before = state(db)
    merged = one(db, company, "lea")
    with db.reading() as session:
        lea = session.get_one(Person, company["lea"])
        assert (lea.active, lea.merged_into_id) == (False, company["ana"])
    undo(db, merged)
    undo(db, merged)
    assert state(db) == before
    with db.reading() as session:
        assert [(row.reason, row.undone_at is not None) for row in merges_of(session, company["ana"])] == [
            ("imported twice", True)
        ]


def test_what_cannot_be_merged_says_what_to_do(db: Database, company: Company) -> None:
    one(db, company)  # chris is ana
    for who, into, words in (
        ("ana", "ana", "two different people"),
        ("ada", "ana", "last admin"),
        ("ben", "chris", "part of somebody else"),
        ("ana", "ben", "Undo that first"),
    ):
        with pytest.raises(Invalid, match=words):
            one(db, company, who, into)
    with pytest.raises(Invalid, match="Say why"):
        db.write(lambda session: merge(session, company["ben"], company["eve"], " ", LATER))
    with db.reading() as session:
        assert len(session.execute(select(Merge)).all()) == 1


KINDS = ("thanks.received", "rating.good", "rating.bad", "ticket.replied", "help.given", "knowledge.shared")
PLACES = st.tuples(
    st.sampled_from(KINDS),
    st.integers(-100, 60),  # hours around Monday: some in the week before
    st.sampled_from(("ana@example.com", "chris@example.com", "chris-2", "eve@example.com")),
    st.sampled_from((None, "ana@example.com", "chris@example.com")),
    st.integers(1, 4),
)


@settings(max_examples=trials(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(PLACES, max_size=14), who=st.sampled_from(("chris", "eve")), number=st.integers(0, 10**9)
)
def test_merging_and_undoing_leaves_everything_as_it_was(
    db: Database, company: Company, places: list[Any], who: str, number: int
) -> None:
    facts = [
        Event(
            key=f"{number}/{place}",
            kind=kind,
            occurred_at=MONDAY + timedelta(hours=hours, minutes=place),
            agents=(agent,),
            giver=giver,
            customer=f"c{thing % 2}" if kind.startswith(("thanks", "rating")) else None,
            object=f"{number}/{thing}",
            ticket=f"{number}/t{thing}",
        )
        for place, (kind, hours, agent, giver, thing) in enumerate(places)
    ]
    take_in(db, *facts, thanks(number, agent="chris-2"))
    with db.writing() as session:
        chris_2 = session.execute(select(Identity).where(Identity.account == "chris-2")).scalar_one()
        if chris_2.person_id is None:
            link(session, chris_2.id or 0, company["chris"], NOON)
    before = state(db)
    merged = one(db, company, who)
    sound(db)
    undo(db, merged)
    sound(db)
    assert state(db) == before


# ---------------------------------------------------------------- accounts


def account(db: Database, name: str) -> Identity:
    with db.reading() as session:
        return session.execute(select(Identity).where(Identity.account == name)).scalar_one()


def test_an_account_of_somebody_else_is_unlinked_and_linked_right(db: Database, company: Company) -> None:
    take_in(db, thanks(1, agent="agent-7"), thanks(2, agent="ana@example.com"))
    seven = account(db, "agent-7").id or 0
    db.write(lambda session: link(session, seven, company["ana"], NOON))
    assert points(db, company["ana"]) == 16
    done = db.write(lambda session: unlink(session, seven, LATER, company["ada"]))
    assert (done.waiting, done.staying) == (1, 0)
    assert points(db, company["ana"]) == 8
    sound(db)
    assert db.write(lambda session: link(session, seven, company["ben"], LATER)) == 1
    assert (points(db, company["ana"]), points(db, company["ben"])) == (8, 8)
    sound(db)


def test_what_counted_in_a_closed_week_stays_when_an_account_is_unlinked(
    db: Database, company: Company
) -> None:
    take_in(db, thanks(1))
    close(db, company)
    take_in(db, thanks(2, 170), now=NOON + timedelta(days=7))
    mine = account(db, "ana@example.com").id or 0
    done = db.write(lambda session: unlink(session, mine, LATER))
    assert (done.waiting, done.staying) == (1, 1)
    assert points(db, company["ana"], "2026") == 8
    sound(db)
    assert db.write(lambda session: unlink(session, mine, LATER)).waiting == 0


def test_what_turns_out_to_be_given_to_oneself_stays_counted_in_a_closed_week(
    db: Database, company: Company
) -> None:
    help_given: Any = {"kind": "help.given", "giver": "agent-7", "object": None, "customer": None}
    take_in(db, thanks(1, **help_given))
    close(db, company)
    take_in(db, thanks(2, 170, **help_given), now=NOON + timedelta(days=7))
    seven = account(db, "agent-7").id or 0
    db.write(lambda session: link(session, seven, company["ana"], NOON + timedelta(days=7)))
    assert (points(db, company["ana"]), points(db, company["ana"], "2026-W48")) == (3, 0)
    sound(db)


def test_nothing_links_by_itself_what_a_person_unlinked(db: Database, company: Company) -> None:
    take_in(db, thanks(1))
    mine = account(db, "ana@example.com").id or 0
    db.write(lambda session: unlink(session, mine, LATER))
    assert db.write(lambda session: link_newcomers(session, LATER)) == 0
    take_in(db, thanks(2))
    assert points(db, company["ana"]) == 0
    db.write(lambda session: link(session, mine, company["ana"], LATER))
    assert points(db, company["ana"]) == 16


def test_an_account_linked_to_who_was_merged_counts_for_the_one_and_goes_back(
    db: Database, company: Company
) -> None:
    merged = one(db, company)
    take_in(db, thanks(1, agent="agent-7"))
    db.write(lambda session: link(session, account(db, "agent-7").id or 0, company["chris"], LATER))
    assert points(db, company["ana"]) == 8
    undo(db, merged)
    assert points(db, company["chris"]) == 8
    sound(db)
