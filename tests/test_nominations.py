"""A story from telling to the ledger, and every way back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func
from sqlmodel import Session, col, select

from leaderboard import ledger, nominations
from leaderboard.database import Database
from leaderboard.nominations import Telling
from leaderboard.plugin import Invalid
from leaderboard.points import FairPlay, Points
from leaderboard.tables import ClosedWeek, CoSign, Nomination, Person, PointsEntry, Team
from tests.make import NOON, Company, a_story

HOUR = timedelta(hours=1)


def telling(*about: str, **other: object) -> Telling:
    return replace(Telling(about, "team-player", a_story()), **other)  # type: ignore[arg-type]


def tell(db: Database, company: Company, giver: str, *about: str, at: object = NOON, **other: object) -> str:
    """The public id of a new story."""
    told = act(db, company, nominations.nominate, giver, telling(*about, **other), at)
    return told.uid


def act(db: Database, company: Company, do: Callable[..., Nomination], who: str, *what: object) -> Nomination:
    """Let somebody do something in a unit of work of its own: do(session, person, ...) or do(session, uid, person, ...)."""
    with db.writing() as session:
        person = session.get_one(Person, company[who])
        if do is nominations.nominate:
            return do(session, person, *what)
        uid, *rest = what
        return do(session, uid, person, *rest)


def points(db: Database, company: Company, who: str) -> int:
    """What the ledger says that somebody has."""
    with db.reading() as session:
        query = select(func.coalesce(func.sum(PointsEntry.points), 0)).where(
            PointsEntry.person_id == company[who]
        )
        return int(session.exec(query).one())


@pytest.fixture
def at_once(db: Database, company: Company) -> None:
    """Both teams let stories count at once."""
    with db.writing() as session:
        for team in session.exec(select(Team)):
            team.accepts = "at_once"


# --- telling ------------------------------------------------------------------------------------------------


def test_a_story_waits_for_the_lead_and_earns_when_accepted(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben", "chris")
    assert points(db, company, "ben") == 0
    accepted = act(db, company, nominations.accept, "lea", uid, NOON + HOUR)
    assert (accepted.state, accepted.judged_by) == ("accepted", company["lea"])
    assert [points(db, company, who) for who in ("ben", "chris", "ana")] == [5, 5, 0]


@pytest.mark.usefixtures("at_once")
def test_where_no_lead_is_wanted_a_story_counts_at_once(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    assert points(db, company, "ben") == 10


def test_one_team_that_wants_a_lead_is_enough_to_wait(db: Database, company: Company) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).accepts = "at_once"
    uid = tell(db, company, "ana", "ben", "dan")
    with db.reading() as session:
        told = session.exec(select(Nomination).where(Nomination.uid == uid)).one()
        assert (told.state, told.team_id) == ("waiting", company.teams["Shop"])
        assert [judge.handle for judge in nominations.judges(session, told)] == ["max"]


def test_a_story_counts_in_the_week_in_which_it_was_told(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    act(db, company, nominations.accept, "lea", uid, NOON + timedelta(days=6))
    with db.reading() as session:
        assert session.exec(select(PointsEntry.week)).all() == ["2026-W47"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"nominees": ()}, "nominees", "Choose the colleague"),
        ({"nominees": ("ana",)}, "nominees", "about somebody else"),
        ({"nominees": ("ANA@example.com", "ben")}, "nominees", "about somebody else"),
        ({"nominees": ("nobody",)}, "nominees", "nobody"),
        ({"nominees": ("\0", "%", "' OR 1=1--")}, "nominees", "nobody"),
        ({"nominees": ("gone",)}, "nominees", "no longer works here"),
        ({"nominees": ("bot",)}, "nominees", "robot"),
        ({"nominees": ("ana2",)}, "nominees", "about somebody else"),  # merged into Ana
        ({"nominees": ("ben",) * 10_000}, "nominees", "At most 8"),
        ({"story": "Too short."}, "story", "70 characters to go"),
        ({"story": "x" * 2001}, "story", "2,001 characters"),
        ({"story": "She helped.\0" * 20}, "story", "cannot be shown"),
        ({"story": "She helped.\ud800" * 20}, "story", "cannot be shown"),
        ({"guideline": "speed"}, "guideline", "guideline"),
        ({"guideline": ""}, "guideline", "guideline"),
        ({"happened_on": date(2026, 11, 19)}, "happened_on", "still to come"),
        ({"happened_on": date(2026, 9, 18)}, "happened_on", "60 days"),
        ({"customer": "x" * 121}, "customer", "121"),
    ],
)
def test_what_cannot_be_told_is_refused_beside_its_field(
    db: Database, company: Company, change: dict[str, object], field: str, words: str
) -> None:
    from tests.make import person

    with db.writing() as session:
        care = session.get_one(Team, company.teams["Care"])
        person(session, "gone", care).active = False
        person(session, "bot", care).bot = True
        person(session, "ana2", care).merged_into_id = company["ana"]
    wrong = replace(telling("ben"), **change)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match=words) as refused:
        act(db, company, nominations.nominate, "ana", wrong, NOON)
    assert refused.value.field == field


def test_everything_wrong_is_said_at_once(db: Database, company: Company) -> None:
    with db.reading() as session:
        ana = session.get_one(Person, company["ana"])
        _told, wrong = nominations.examine(session, ana, Telling((), "", ""), NOON)
    assert [error.field for error in wrong] == ["nominees", "story", "guideline"]


def test_sent_twice_by_the_same_form_it_is_one_story(db: Database, company: Company) -> None:
    form, words = "0" * 32, telling("chris")
    told = []
    for _ in range(2):
        with db.writing() as session:
            ana = session.get_one(Person, company["ana"])
            told.append(nominations.nominate(session, ana, words, NOON, uid=form).uid)
    assert told == [form, form]
    with db.writing() as session:  # somebody else's form cannot take or read it
        ben = session.get_one(Person, company["ben"])
        assert nominations.nominate(session, ben, words, NOON, uid=form).uid != form


@pytest.mark.promise(number=17)
def test_200_parallel_nominations_with_an_allowance_of_5_score_exactly_5(
    db: Database, company: Company
) -> None:
    with db.writing() as session:
        generous = FairPlay(
            nominations_per_10_minutes=1000, second_story_percent=100, later_story_percent=100
        )
        ledger.record_rules(session, Points(), generous, NOON)
        session.get_one(Team, company.teams["Care"]).accepts = "at_once"

    def one(number: int) -> None:
        def work(session: Session) -> None:
            ana = session.get_one(Person, company["ana"])
            nominations.nominate(session, ana, telling(["ben", "chris", "lea"][number % 3]), NOON)

        db.write(work, tries=50)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(200)))
    with db.reading() as session:
        scoring = session.exec(select(func.count()).where(Nomination.worth > 0)).one()
        told = session.exec(select(func.count()).select_from(Nomination)).one()
    assert (told, scoring) == (200, 5)
    assert sum(points(db, company, who) for who in ("ben", "chris", "lea")) == 50


# --- judging ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("giver", "about", "judges"),
    [
        ("ana", ["ben"], ["lea"]),
        ("lea", ["ben"], ["max"]),  # her own words: another lead
        ("ana", ["lea"], ["max"]),  # about her
        ("lea", ["max"], ["ada"]),  # no lead is left: an admin
        ("max", ["lea", "ben"], ["ada"]),
    ],
)
def test_nobody_judges_a_story_they_wrote_or_star_in(
    db: Database, company: Company, giver: str, about: list[str], judges: list[str]
) -> None:
    uid = tell(db, company, giver, *about)
    with db.reading() as session:
        told = session.exec(select(Nomination).where(Nomination.uid == uid)).one()
        assert [judge.handle for judge in nominations.judges(session, told)] == judges
    for who in {"ana", "ben", "lea", "max", "ada"} - set(judges):
        with pytest.raises(PermissionError):
            act(db, company, nominations.accept, who, uid, NOON)
    assert act(db, company, nominations.accept, judges[0], uid, NOON).state == "accepted"


def test_a_declined_story_says_why_and_can_be_told_better(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    with pytest.raises(Invalid, match="Say why"):
        act(db, company, nominations.decline, "lea", uid, "  ", NOON)
    assert act(db, company, nominations.decline, "lea", uid, "For whom?", NOON).reason == "For whom?"
    better = act(db, company, nominations.edit, "ana", uid, telling("ben", "chris"), NOON + HOUR)
    assert (better.state, better.reason, better.worth) == ("waiting", None, 10)
    act(db, company, nominations.accept, "lea", uid, NOON + HOUR)
    assert points(db, company, "chris") == 5


def test_a_lead_undoes_an_acceptance_and_accepts_again(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    for _ in range(3):
        act(db, company, nominations.accept, "lea", uid, NOON)
        act(db, company, nominations.co_sign, "chris", uid, NOON)
        assert points(db, company, "ben") == 11
        act(db, company, nominations.reopen, "lea", uid, NOON)
        assert points(db, company, "ben") == 0
    act(db, company, nominations.accept, "lea", uid, NOON)
    assert points(db, company, "ben") == 11


def test_undoing_a_decline_cannot_lift_the_allowance(db: Database, company: Company) -> None:
    first = tell(db, company, "ana", "ben", at=NOON)
    act(db, company, nominations.decline, "lea", first, "Not yet", NOON)
    for n, who in enumerate(["chris", "dan", "eve", "max", "lea"], 1):
        tell(db, company, "ana", who, at=NOON + n * HOUR)
    again = act(db, company, nominations.reopen, "lea", first, NOON + 6 * HOUR)
    assert (again.state, again.worth, again.worth_why) == ("waiting", 0, "allowance_used")


def test_two_leads_at_once_judge_once(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")

    def judge(number: int) -> str:
        def work(session: Session) -> str:
            lea = session.get_one(Person, company["lea"])
            if number % 2:
                return nominations.accept(session, uid, lea, NOON).state
            return nominations.decline(session, uid, lea, "No", NOON).state

        try:
            return db.write(work)
        except Invalid:
            return "too late"

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(judge, range(8)))
    assert found.count("too late") == 7
    assert points(db, company, "ben") == (10 if "accepted" in found else 0)


# --- editing, withdrawing, hiding ---------------------------------------------------------------------------


def test_only_its_nominator_edits_a_story_and_only_until_it_is_accepted(
    db: Database, company: Company
) -> None:
    uid = tell(db, company, "ana", "ben")
    with pytest.raises(PermissionError):
        act(db, company, nominations.edit, "chris", uid, telling("ben"), NOON)
    edited = act(db, company, nominations.edit, "ana", uid, telling("chris", "dan"), NOON + HOUR)
    assert (edited.worth, edited.nominated_at) == (10, NOON)
    act(db, company, nominations.accept, "lea", uid, NOON)
    assert [points(db, company, who) for who in ("ben", "chris", "dan")] == [0, 5, 5]
    with pytest.raises(Invalid, match="accepted already"):
        act(db, company, nominations.edit, "ana", uid, telling("ben"), NOON)


def test_editing_cannot_dodge_the_repeat_rule(db: Database, company: Company) -> None:
    first = tell(db, company, "ana", "chris")
    tell(db, company, "ana", "ben", at=NOON + HOUR)
    moved = act(db, company, nominations.edit, "ana", first, telling("ben"), NOON + 2 * HOUR)
    assert (moved.worth, moved.worth_why) == (5, "second_in_30_days")


def test_mending_a_date_leaves_the_worth_as_it_was_decided(db: Database, company: Company) -> None:
    words = telling("ben")
    uid = act(db, company, nominations.nominate, "ana", words, NOON).uid
    tell(db, company, "ben", "ana", at=NOON - HOUR)  # told earlier than it, but decided later
    same = replace(words, happened_on=date(2026, 11, 17))
    assert act(db, company, nominations.edit, "ana", uid, same, NOON + HOUR).worth == 10


def test_withdrawing_takes_every_point_back_once(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben", "chris")
    act(db, company, nominations.accept, "lea", uid, NOON)
    act(db, company, nominations.co_sign, "dan", uid, NOON)
    for _ in range(2):
        act(db, company, nominations.withdraw, "ana", uid, NOON + HOUR)
    assert [points(db, company, who) for who in ("ben", "chris")] == [0, 0]
    with pytest.raises(PermissionError):
        act(db, company, nominations.withdraw, "chris", uid, NOON)


def test_a_nominee_hides_a_story_and_stands_by_it_again(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben", "chris")
    act(db, company, nominations.accept, "lea", uid, NOON)
    act(db, company, nominations.co_sign, "dan", uid, NOON)
    for _ in range(2):
        act(db, company, nominations.hide, "ben", uid, NOON)
        assert [points(db, company, who) for who in ("ben", "chris")] == [0, 6]
    for _ in range(2):
        act(db, company, nominations.show, "ben", uid, NOON)
        assert [points(db, company, who) for who in ("ben", "chris")] == [6, 6]
    act(db, company, nominations.take_back, "dan", uid, NOON)
    assert [points(db, company, who) for who in ("ben", "chris")] == [5, 5]
    with pytest.raises(PermissionError):
        act(db, company, nominations.hide, "ana", uid, NOON)


def test_hiding_and_showing_moves_no_points_out_of_a_closed_week(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    act(db, company, nominations.accept, "lea", uid, NOON)
    with db.writing() as session:
        entry = session.exec(select(func.max(PointsEntry.id))).one()
        session.add(
            ClosedWeek(
                team_id=company.teams["Care"],
                week="2026-W47",
                closed_at=NOON + timedelta(days=6),
                last_event_id=1,
                last_entry_id=entry or 0,
                numbers={},
            )
        )
    later = NOON + timedelta(days=7)
    act(db, company, nominations.hide, "ben", uid, later)
    act(db, company, nominations.show, "ben", uid, later)
    with db.reading() as session:
        entries = session.exec(select(PointsEntry.week, PointsEntry.points)).all()
    assert sorted(entries) == [("2026-W47", -10), ("2026-W47", 10)]


# --- co-signs -----------------------------------------------------------------------------------------------


def test_five_co_signs_count_and_the_sixth_is_welcome_at_0(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    act(db, company, nominations.accept, "lea", uid, NOON)
    for who in ("chris", "lea", "ada", "dan", "eve", "max"):
        signed = act(db, company, nominations.co_sign, who, uid, NOON)
    assert (signed.cosigns, points(db, company, "ben")) == (6, 15)
    act(db, company, nominations.take_back, "max", uid, NOON)
    assert points(db, company, "ben") == 15, "the sixth earned nothing"
    act(db, company, nominations.take_back, "chris", uid, NOON)
    assert points(db, company, "ben") == 14
    act(db, company, nominations.co_sign, "max", uid, NOON)
    assert points(db, company, "ben") == 15, "now there is room for it"


@pytest.mark.parametrize("who", ["ana", "ben"])
def test_nobody_co_signs_what_they_wrote_or_star_in(db: Database, company: Company, who: str) -> None:
    uid = tell(db, company, "ana", "ben")
    with pytest.raises(LookupError):
        act(db, company, nominations.co_sign, "chris", uid, NOON)  # it waits: chris does not know of it
    act(db, company, nominations.accept, "lea", uid, NOON)
    with pytest.raises(PermissionError):
        act(db, company, nominations.co_sign, who, uid, NOON)


def test_a_double_click_co_signs_once(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    act(db, company, nominations.accept, "lea", uid, NOON)

    def click(_: int) -> None:
        def work(session: Session) -> None:
            nominations.co_sign(session, uid, session.get_one(Person, company["chris"]), NOON)

        db.write(work, tries=20)

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(click, range(20)))
    with db.reading() as session:
        assert session.exec(select(func.count()).select_from(CoSign)).one() == 1
        assert session.exec(select(Nomination.cosigns)).one() == 1
    assert points(db, company, "ben") == 11


# --- the wall -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_the_wall_shows_newest_and_best_loved_and_goes_on_where_it_stopped(
    db: Database, company: Company
) -> None:
    told = [
        tell(db, company, giver, "ben", at=NOON + n * HOUR)
        for n, giver in enumerate(["ana", "chris", "dan", "eve"])
    ]
    for who, signed in (("lea", told[1]), ("max", told[1]), ("lea", told[0])):
        act(db, company, nominations.co_sign, who, signed, NOON + 5 * HOUR)
    with db.reading() as session:
        viewer = session.get_one(Person, company["lea"])
        for order, expected in (("newest", told[::-1]), ("loved", [told[1], told[0], told[3], told[2]])):
            seen: list[str] = []
            after = None
            while True:
                part = nominations.wall(session, viewer, NOON, order=order, after=after, limit=3)
                seen += [card.id for card in part.stories]
                after = part.next
                if after is None:
                    break
            assert seen == expected
        card = nominations.wall(session, viewer, NOON, order="loved").stories[0]
        assert (card.points, card.co_signs, card.co_signed, card.may_co_sign) == (12, 2, True, True)


@pytest.mark.usefixtures("at_once")
def test_the_wall_filters_by_guideline_team_and_person(db: Database, company: Company) -> None:
    one = tell(db, company, "ana", "ben", guideline="relationships")
    two = tell(db, company, "ana", "dan")
    with db.reading() as session:
        viewer = session.get_one(Person, company["lea"])

        def ids(**filters: object) -> list[str]:
            found = nominations.wall(session, viewer, NOON, **filters)  # type: ignore[arg-type]
            return [card.id for card in found.stories]

        assert ids(guideline="relationships") == [one]
        assert ids(team_id=company.teams["Shop"]) == [two]
        assert ids(person_id=company["ben"]) == [one]
        assert ids(person_id=company["chris"]) == []


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("visibility", "seen_by"),
    [
        ("on", {"ana", "ben", "chris", "dan"}),
        ("alias", {"ana", "ben", "chris", "dan"}),
        ("team", {"ana", "ben", "chris"}),
        ("off", {"ana", "ben"}),
    ],
)
def test_a_story_is_seen_by_those_its_people_let_see_it(
    db: Database, company: Company, visibility: str, seen_by: set[str]
) -> None:
    uid = tell(db, company, "ana", "ben")
    with db.writing() as session:
        session.get_one(Person, company["ben"]).visibility = visibility
    for who in ("ana", "ben", "chris", "dan"):
        with db.reading() as session:
            viewer = session.get_one(Person, company[who])
            on_wall = bool(nominations.wall(session, viewer, NOON).stories)
            told = session.exec(select(Nomination).where(Nomination.uid == uid)).one()
            assert nominations.may_see(session, viewer, told) == on_wall == (who in seen_by)


def test_a_waiting_story_is_known_to_its_teller_and_its_judge_only(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    with db.reading() as session:
        for who in company.people:
            viewer = session.get_one(Person, company[who])
            if who in ("ana", "lea"):
                assert nominations.find(session, uid, viewer).uid == uid
            else:
                with pytest.raises(LookupError):
                    nominations.find(session, uid, viewer)
        assert [
            each.uid for each in nominations.to_judge(session, session.get_one(Person, company["lea"]))
        ] == [uid]


@pytest.mark.usefixtures("at_once")
def test_a_hidden_name_is_on_no_card(db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben", "chris")
    act(db, company, nominations.hide, "ben", uid, NOON)
    with db.reading() as session:
        viewer = session.get_one(Person, company["dan"])
        card = nominations.wall(session, viewer, NOON).stories[0]
        assert [person.handle for person in card.nominees] == ["chris"]
    act(db, company, nominations.hide, "chris", uid, NOON)
    with db.reading() as session:
        assert nominations.wall(session, session.get_one(Person, company["dan"]), NOON).stories == []


@pytest.mark.parametrize(
    "cursor", ["x", "1.2", "1.2.3.4", "-1.2.3", "١.٢.٣", "1.2." + "9" * 16, "1" * 1000, "1.2.3\n"]
)
def test_a_cursor_that_is_none_of_ours_is_refused(db: Database, company: Company, cursor: str) -> None:
    with db.reading() as session:
        viewer = session.get_one(Person, company["ana"])
        with pytest.raises(Invalid, match="from the beginning"):
            nominations.wall(session, viewer, NOON, after=cursor)


def test_a_story_with_every_kind_of_sign_in_it_is_stored_as_it_is(db: Database, company: Company) -> None:
    words = "😀 مرحبا <script>alert(1)</script> {{7*7}} ' OR 1=1-- =cmd|' /C calc'!A0 @everyone " + "x" * 20
    tell(db, company, "ana", "ben", story=words)
    with db.reading() as session:
        assert session.exec(select(Nomination.story)).all() == [words]
        assert session.exec(select(col(Nomination.customer))).all() == [None]


@pytest.mark.parametrize(("merged", "into"), [("ana", "ben"), ("ben", "ana")])
def test_a_story_between_two_accounts_of_one_person_earns_nothing(
    db: Database, company: Company, merged: str, into: str
) -> None:
    uid = tell(db, company, "ana", "ben")
    with db.writing() as session:
        session.get_one(Person, company[merged]).merged_into_id = company[into]
    act(db, company, nominations.accept, "lea", uid, NOON)
    assert [points(db, company, who) for who in ("ana", "ben")] == [0, 0]
