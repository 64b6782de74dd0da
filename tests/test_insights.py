"""How a company is doing: sums that are the ledger's, groups nobody stands out of, a cost the ledger does not raise."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from leaderboard import insights, nominations
from leaderboard.database import Database
from leaderboard.guidelines import GUIDELINES
from leaderboard.insights import JOINED, Group, Told, Voices
from leaderboard.plugin import Event
from leaderboard.tables import EVERY, Nomination, Nominee, Person, PointsEntry, Team
from leaderboard.weeks import Week
from tests import make
from tests.make import NOON, Company
from tests.test_ledger import MONDAY, facts, take_back, take_in, thanks, withdraw
from tests.trials import dice, trials
from tests.web.test_home import change, tell

WEEK = Week(2026, 47)
YEAR = datetime(2025, 11, 24, tzinfo=UTC)


def groups(db: Database) -> list[Group]:
    with db.reading() as session:
        return insights.groups(session, WEEK)


def hire(db: Database, team: str, *handles: str) -> None:
    """More colleagues in a team that is there, or in a new one."""
    with db.writing() as session:
        found = session.scalars(select(Team).where(Team.name == team)).first()  # type: ignore[arg-type]
        row = found or make.team(session, team, "Europe/Berlin", NOON, "2026-W30")
        for handle in handles:
            make.person(session, handle, row)


@pytest.fixture
def two_teams(db: Database, company: Company) -> Company:
    """Both teams are large enough to be shown by themselves."""
    hire(db, "Shop", "fay", "gus")
    return company


# --- groups -------------------------------------------------------------------------------------------------


def test_a_team_of_five_is_shown_by_itself_and_in_the_order_of_names(
    db: Database, two_teams: Company
) -> None:
    hire(db, "Bakery", "b1", "b2", "b3", "b4", "b5")
    assert [(group.slug, group.name) for group in groups(db)] == [
        ("bakery", "Bakery"),
        ("care", "Care"),
        ("shop", "Shop"),
    ]


def test_smaller_teams_are_joined_until_they_are_five(db: Database, two_teams: Company) -> None:
    hire(db, "Bakery", "b1", "b2")
    hire(db, "Garden", "g1", "g2", "g3")
    *_others, joined = groups(db)
    assert (joined.slug, joined.name, len(joined.teams)) == (JOINED, "", 2)
    assert joined.first_week == "2026-W30"


def test_a_small_team_takes_the_next_smallest_in_so_that_no_difference_gives_it_away(
    db: Database, two_teams: Company
) -> None:
    hire(db, "Care", "c6")
    hire(db, "Bakery", "b1")
    care, joined = groups(db)
    assert care.slug == "care"
    assert len(joined.teams) == 2, "Bakery's one baker is shown with the five of Shop"


def test_bots_and_leavers_make_no_group_larger(db: Database, two_teams: Company) -> None:
    assert len(groups(db)) == 2
    change(db, two_teams, "ben", bot=True)
    (joined,) = groups(db)
    assert set(joined.teams) == set(two_teams.teams.values())
    change(db, two_teams, "ben", bot=False)
    change(db, two_teams, "chris", active=False)
    assert [group.slug for group in groups(db)] == [JOINED]


def test_a_company_of_four_has_no_pictures(db: Database) -> None:
    hire(db, "Care", "a", "b", "c", "d")
    assert groups(db) == []
    with db.reading() as session:
        assert insights.told(session, [], YEAR) == []


def test_a_dissolved_team_keeps_its_history_where_it_is_of_five_people_and_hides_no_other(
    db: Database, two_teams: Company
) -> None:
    hire(db, "Bakery", "b1", "b2", "b3", "b4", "b5")
    hire(db, "Attic")
    take_in(db, *(thanks(number, agent=f"b{number}@example.com") for number in range(1, 6)))
    with db.writing() as session:
        for row in session.scalars(select(Person).where(Person.handle.like("b_"))):  # type: ignore[attr-defined]
            row.team_id = two_teams.teams["Shop"]
    assert [group.slug for group in groups(db)] == ["bakery", "care", "shop"], "nobody was ever in the attic"
    with db.reading() as session:
        later = insights.groups(session, WEEK + 104)
    assert [group.slug for group in later] == ["care", "shop"]


def test_whatever_the_sizes_no_group_is_of_fewer_than_five_and_nobody_is_left_out(
    db: Database, company: Company
) -> None:
    chance = dice("groups")
    for number in range(7):
        hire(db, f"Team {number}", *(f"p{number}{place}" for place in range(3)))
    for _ in range(trials(15)):
        with db.writing() as session:
            ids = [team.id for team in session.scalars(select(Team))]
            weights = [chance.random() ** 3 for _ in ids]
            for row in session.scalars(select(Person)):
                (row.team_id,) = chance.choices(ids, weights)  # type: ignore[assignment]
        with db.reading() as session:
            sizes = Counter(row.team_id for row in session.scalars(select(Person)))
            found = insights.groups(session, WEEK)
        assert all(sum(sizes[team] for team in group.teams) >= 5 for group in found)
        shown = [team for group in found for team in group.teams]
        assert sorted(shown) == sorted(sizes)
        assert sum(group.slug == JOINED for group in found) == any(size < 5 for size in sizes.values())
        named = [group.name for group in found if group.slug != JOINED]
        assert named == sorted(named)


# --- sums ---------------------------------------------------------------------------------------------------


@settings(
    max_examples=trials(12), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(facts=facts, seed=st.integers(0, 2**32))
def test_points_are_the_sums_of_the_ledgers_lines_whatever_happened(
    db: Database, company: Company, facts: list[Event], seed: int
) -> None:
    take_back(db)
    random.Random(seed).shuffle(facts)
    for each in facts:
        take_in(db, each)
    slugs = [one.slug for one in GUIDELINES]
    with db.reading() as session:
        lines = session.execute(
            select(PointsEntry.week, PointsEntry.guideline, func.sum(PointsEntry.points)).group_by(
                PointsEntry.week, PointsEntry.guideline
            )
        ).all()
        weeks = sorted({Week.parse(week) for week, _guideline, _points in lines} | {WEEK})
        shown = insights.groups(session, WEEK)
        found = insights.points(session, shown, weeks, slugs)[JOINED]
        in_all = insights.points(session, shown, weeks)[JOINED]
    assert {(week, one): points for week, by in found.items() for one, points in by.items()} == {
        (week, guideline): points for week, guideline, points in lines if points
    }
    assert {week: by.get(EVERY, 0) for week, by in in_all.items()} == {
        week: sum(by.values()) for week, by in found.items()
    }


def test_points_belong_to_the_team_they_were_earned_in(db: Database, two_teams: Company) -> None:
    take_in(db, thanks(1), thanks(2, agent="dan@example.com"), thanks(3, agent="fay@example.com"))
    change(db, two_teams, "ana", team_id=two_teams.teams["Shop"])
    hire(db, "Care", "new")
    with db.reading() as session:
        found = insights.points(session, insights.groups(session, WEEK), [WEEK - 1, WEEK])
    assert found == {
        "care": {"2026-W46": {}, "2026-W47": {"": 8}},
        "shop": {"2026-W46": {}, "2026-W47": {"": 16}},
    }


# --- who tells of whom --------------------------------------------------------------------------------------


def told(db: Database, since: datetime = YEAR) -> dict[tuple[str, str], int | None]:
    with db.reading() as session:
        found: list[Told] = insights.told(session, insights.groups(session, WEEK), since)
    assert len(found) == len({(one.teller, one.about) for one in found})
    return {(one.teller, one.about): one.times for one in found}


def test_a_number_is_told_from_three_tellers_on(db: Database, two_teams: Company) -> None:
    tell(db, two_teams, "ana", "dan")
    tell(db, two_teams, "ben", "dan")
    tell(db, two_teams, "ben", "eve")
    assert told(db) == {("care", "shop"): None}
    tell(db, two_teams, "chris", "eve")
    tell(db, two_teams, "eve", "max")
    assert told(db) == {("care", "shop"): 4, ("shop", "shop"): None}


def test_who_saw_it_too_counts_like_who_told_it_and_may_take_it_back(
    db: Database, two_teams: Company
) -> None:
    uid = tell(db, two_teams, "ana", "dan")
    for handle in ("ben", "chris", "max"):
        with db.writing() as session:
            nominations.co_sign(session, uid, session.get_one(Person, two_teams[handle]), NOON)
    assert told(db) == {("care", "shop"): 3, ("shop", "shop"): None}
    with db.writing() as session:
        nominations.take_back(session, uid, session.get_one(Person, two_teams["ben"]), NOON)
    assert told(db) == {("care", "shop"): None, ("shop", "shop"): None}


def test_a_story_about_two_teams_counts_once_for_each(db: Database, two_teams: Company) -> None:
    with db.writing() as session:
        for handle in ("ana", "ben", "lea"):
            story = a_story_about(session, two_teams, handle, "chris", "dan", "eve")
            assert story.id
    assert told(db) == {("care", "shop"): 3, ("care", "care"): 3}


def test_what_waits_was_withdrawn_hidden_or_is_older_counts_for_nobody(
    db: Database, two_teams: Company
) -> None:
    with db.writing() as session:
        for handle in ("ana", "ben", "lea"):
            a_story_about(session, two_teams, handle, "dan")
        a_story_about(session, two_teams, "ana", "dan", state="waiting")
        a_story_about(session, two_teams, "ana", "dan", state="withdrawn")
        a_story_about(session, two_teams, "ana", "dan", at=YEAR - timedelta(seconds=1))
        a_story_about(session, two_teams, "ana", "dan", hidden_at=NOON)
    assert told(db) == {("care", "shop"): 3}


def a_story_about(
    session: Any,
    company: Company,
    by: str,
    *about: str,
    state: str = "accepted",
    at: datetime = NOON,
    hidden_at: datetime | None = None,
) -> Nomination:
    """A row as `nominate` leaves it, of any state and age."""
    story = Nomination(
        nominator_id=company[by],
        team_id=company.teams["Care"],
        guideline="team-player",
        story=make.a_story(),
        nominated_at=at,
        state=state,
        worth=10,
        full_worth=10,
        worth_why="full",
    )
    session.add(story)
    session.flush()
    for position, handle in enumerate(about):
        session.add(
            Nominee(
                nomination_id=story.id,
                person_id=company[handle],
                position=position,
                share=5,
                full_share=5,
                share_why="full",
                hidden_at=hidden_at,
            )
        )
    session.flush()
    return story


# --- voices -------------------------------------------------------------------------------------------------


def voices(db: Database, week: Week = WEEK, slug: str | None = None) -> Voices:
    with db.reading() as session:
        shown = [group for group in insights.groups(session, WEEK) if slug in (None, group.slug)]
        return insights.voices(session, shown, week)


def unhappy(number: int, agent: str = "ana@example.com") -> Event:
    return Event(f"bad/{number}", "rating.bad", MONDAY, (agent,), object=f"bad/{number}", ticket=f"b{number}")


def test_each_fact_is_one_voice_and_what_was_taken_back_is_none(db: Database, two_teams: Company) -> None:
    together = thanks(1, agents=("ana@example.com", "dan@example.com"))
    take_in(
        db, together, thanks(2), thanks(3, agent="dan@example.com"), unhappy(1), unhappy(2, "dan@example.com")
    )
    assert voices(db) == Voices(3, 2)
    assert voices(db, slug="care") == Voices(2, 1)
    assert voices(db, WEEK - 1) == Voices(0, 0)
    take_in(
        db, withdraw("rating/2/thanks"), Event("bad/1/gone", "fact.withdrawn", MONDAY, (), object="bad/1")
    )
    assert voices(db, slug="care") == Voices(1, 0)


# --- cost ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_question_walks_through_a_table_that_grows(db: Database, two_teams: Company) -> None:
    take_in(db, thanks(1), unhappy(1))
    tell(db, two_teams, "ana", "dan")
    asked: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", lambda *of: asked.append((of[2], of[3])))
    with db.reading() as session:
        shown = insights.groups(session, WEEK)
        asked.clear()
        insights.points(session, shown, [WEEK], [one.slug for one in GUIDELINES])
        insights.told(session, shown, YEAR)
        insights.voices(session, shown, WEEK)
        questions, seen = list(asked), Counter[str]()
        for statement, values in questions:
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
                how, _space, table = row[3].partition(" ")
                seen[how] += 1
                assert how != "SCAN" or table.startswith(("anon_", "person")), row[3]
    assert seen["SEARCH"] >= 8
