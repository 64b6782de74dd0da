"""The giver's side of fair play: each rule by the numbers that a person would work out by hand."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import fairness, nominations
from leaderboard.database import Database
from leaderboard.nominations import Telling
from leaderboard.plugin import Invalid
from leaderboard.tables import Nomination, Person
from tests.make import NOON, Company, a_story

DAY = timedelta(days=1)


def tell(
    db: Database, company: Company, giver: str, *about: str, at: datetime = NOON, story: str | None = None
) -> Nomination:
    """The story that this giver tells about these people at that moment."""
    with db.writing() as session:
        telling = Telling(about, "team-player", story or a_story())
        return nominations.nominate(session, session.get_one(Person, company[giver]), telling, at)


def earns(told: Nomination) -> tuple[int, str]:
    return told.worth, told.worth_why


@pytest.mark.parametrize(
    ("about", "points", "why"),
    [
        (["ben"], 10, "full"),
        (["ben", "chris"], 10, "shared"),
        (["ben", "chris", "lea"], 9, "shared"),  # 10 // 3 each
        (["ben", "chris", "lea", "ada", "dan", "eve", "max"], 7, "shared"),
    ],
)
def test_a_story_earns_ten_shared_and_rounded_down(
    db: Database, company: Company, about: list[str], points: int, why: str
) -> None:
    assert earns(tell(db, company, "ana", *about)) == (points, why)


def test_five_stories_a_week_score_and_more_are_welcome_at_0(db: Database, company: Company) -> None:
    others = ["ben", "chris", "dan", "eve", "lea"]
    told = [
        tell(db, company, "ana", who, at=NOON + n * timedelta(minutes=11)) for n, who in enumerate(others)
    ]
    assert [each.worth for each in told] == [10] * 5
    assert earns(tell(db, company, "ana", "max", at=NOON + 2 * timedelta(hours=1))) == (0, "allowance_used")


def test_the_allowance_is_of_the_givers_week_in_the_givers_zone(db: Database, company: Company) -> None:
    # Eve's week (New York) ends five hours after Ana's (Berlin, 23:00 UTC on Sunday).
    sunday_night = datetime.fromisoformat("2026-11-22T23:30:00+00:00")
    for giver, expected in (("ana", 10), ("eve", 0)):
        for n, who in enumerate(["ben", "chris", "dan", "max", "lea"]):
            tell(db, company, giver, who, at=NOON + n * timedelta(minutes=11))
        assert tell(db, company, giver, "ada", at=sunday_night).worth == expected


def test_the_allowance_is_not_saved_up(db: Database, company: Company) -> None:
    with db.reading() as session:
        ana = session.get_one(Person, company["ana"])
        assert fairness.allowance(session, ana, NOON).left == 5
        assert fairness.allowance(session, ana, NOON + 7 * DAY).left == 5


@pytest.mark.parametrize("how", ["decline", "withdraw"])
def test_a_story_that_never_counted_gives_its_place_back(db: Database, company: Company, how: str) -> None:
    told = tell(db, company, "ana", "ben")
    with db.writing() as session:
        ana, lea = (session.get_one(Person, company[who]) for who in ("ana", "lea"))
        if how == "decline":
            nominations.decline(session, told.uid, lea, "Not yet", NOON)
        else:
            nominations.withdraw(session, told.uid, ana, NOON)
    with db.reading() as session:
        assert fairness.allowance(session, session.get_one(Person, company["ana"]), NOON).left == 5


def test_a_story_withdrawn_after_it_was_accepted_keeps_its_place(db: Database, company: Company) -> None:
    told = tell(db, company, "ana", "ben")
    with db.writing() as session:
        ana, lea = (session.get_one(Person, company[who]) for who in ("ana", "lea"))
        nominations.accept(session, told.uid, lea, NOON)
        nominations.withdraw(session, told.uid, ana, NOON)
    with db.reading() as session:
        assert fairness.allowance(session, session.get_one(Person, company["ana"]), NOON).left == 4


def test_the_same_giver_to_the_same_receiver_counts_full_then_half_then_nothing(
    db: Database, company: Company
) -> None:
    times = [NOON, NOON + DAY, NOON + 2 * DAY, NOON + 29 * DAY]
    told = [earns(tell(db, company, "ana", "ben", at=at)) for at in times]
    assert told == [(10, "full"), (5, "second_in_30_days"), (0, "third_in_30_days"), (0, "third_in_30_days")]
    # On day 30 the first is over, and only the second is left in the window.
    assert earns(tell(db, company, "ana", "ben", at=NOON + 30 * DAY)) == (5, "second_in_30_days")


def test_another_giver_to_the_same_receiver_counts_in_full(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    assert tell(db, company, "chris", "ben").worth == 10


def test_in_a_shared_story_each_nominee_has_their_own_factor(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    with db.reading() as session:
        ana, ben, chris = (session.get_one(Person, company[who]) for who in ("ana", "ben", "chris"))
        worth = fairness.worth(session, ana, [ben, chris], a_story(), NOON + DAY)
    shares = {id_: (each.points, each.full, each.why) for id_, each in worth.shares.items()}
    assert shares == {
        company["ben"]: (2, 5, "second_in_30_days"),
        company["chris"]: (5, 5, "shared"),
    }
    assert (worth.points, worth.full, worth.why) == (7, 10, "second_in_30_days")


def test_a_return_within_7_days_counts_half(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    assert earns(tell(db, company, "ben", "ana", at=NOON + 6 * DAY)) == (5, "return")


def test_a_return_after_7_days_counts_in_full(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    assert earns(tell(db, company, "ben", "ana", at=NOON + 7 * DAY)) == (10, "full")


def test_factors_apply_one_after_the_other(db: Database, company: Company) -> None:
    tell(db, company, "ben", "ana", at=NOON - 20 * DAY)
    tell(db, company, "ana", "ben")
    assert earns(tell(db, company, "ben", "ana", at=NOON + DAY)) == (
        2,
        "return",
    )  # 10, half of it, half of that


def test_nearly_the_same_words_join_the_first_story_at_0(db: Database, company: Company) -> None:
    words = a_story()
    first = tell(db, company, "ana", "ben", story=words)
    again = words.replace("customer", "guest").upper() + " !!"
    joining = tell(db, company, "ana", "chris", at=NOON + DAY, story=again)
    assert (joining.worth, joining.worth_why, joining.joins_id) == (0, "same_text", first.id)
    assert tell(db, company, "ben", "chris", at=NOON + DAY, story=words).worth == 10, (
        "another's words are their own"
    )
    assert tell(db, company, "ana", "dan", at=NOON + 31 * DAY, story=words).worth == 10, "30 days later"


@pytest.mark.parametrize("words", ["a" * 200, "ab" * 400, " ".join(["shirt"] * 60)])
def test_monotonous_words_are_compared_quickly(words: str) -> None:
    assert fairness.alike(fairness.plain(words), fairness.plain(words + "b"), 0.9)


@given(st.text(alphabet="abcdefgh ", min_size=80, max_size=300), st.data())
def test_a_text_with_few_changed_letters_is_alike(text: str, data: st.DataObject) -> None:
    plain = fairness.plain(text)
    changes = data.draw(st.sets(st.integers(0, max(0, len(plain) - 1)), max_size=len(plain) // 25))
    other = "".join("z" if place in changes else sign for place, sign in enumerate(plain))
    assert fairness.alike(plain, other, 0.9)


def test_two_different_stories_are_not_alike() -> None:
    one = a_story()
    other = (
        "Sam answered the phone at closing time, drove to the warehouse and brought the missing "
        "charger to a customer who had to fly at six in the morning."
    )
    assert not fairness.alike(fairness.plain(one), fairness.plain(other), 0.9)


def test_the_fourth_story_in_ten_minutes_is_asked_to_wait(db: Database, company: Company) -> None:
    for n, who in enumerate(["ben", "chris", "dan"]):
        tell(db, company, "ana", who, at=NOON + n * timedelta(minutes=2))
    with pytest.raises(Invalid, match="wait 5 minutes"):
        tell(db, company, "ana", "eve", at=NOON + timedelta(minutes=5))
    assert tell(db, company, "ana", "eve", at=NOON + timedelta(minutes=10)).worth == 10


def test_a_merged_account_is_the_same_giver_and_the_same_receiver(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben")
    with db.writing() as session:
        ben = session.get_one(Person, company["ben"])
        ben.merged_into_id, ben.active = company["chris"], False
        ana = session.get_one(Person, company["ana"])
        ana.merged_into_id, ana.active = company["eve"], False
    assert earns(tell(db, company, "eve", "chris", at=NOON + DAY)) == (5, "second_in_30_days")
    with db.reading() as session:
        assert fairness.allowance(session, session.get_one(Person, company["eve"]), NOON + DAY).left == 3


@pytest.mark.parametrize(
    "text",
    [
        "a\0b" + "x" * 80,
        "\x1b[2J" + "x" * 80,
        "\ud800" + "x" * 80,
        "\u200b" * 100,
        "\u3164" * 100,
        " " * 200,
        "short",
    ],
)
def test_a_story_needs_eighty_characters_that_can_be_seen(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        fairness.clean_text(text, "story", 2000, least=80)
    assert refused.value.field == "story"


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("  e\u0301 \r\n ok ", "é \n ok"),
        ("👨‍👩‍👧‍👦" * 20, "👨‍👩‍👧‍👦" * 20),
        ("<script>", "<script>"),
        ("{{ 7*7 }}", "{{ 7*7 }}"),
    ],
)
def test_a_text_is_stored_as_it_was_meant(given_text: str, stored: str) -> None:
    assert fairness.clean_text(given_text, "story", 2000) == stored


def test_letters_put_in_between_do_not_make_it_another_story() -> None:
    plain = fairness.plain(a_story())
    spread = "".join(sign + ("q" if place % 5 == 0 else "") for place, sign in enumerate(plain))
    assert fairness.alike(plain, spread, 0.9)
