"""Times as people say them, in the viewer's zone and language, with the exact one on hover."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import hatch_build
from leaderboard.database import Database
from leaderboard.languages import languages
from tests.make import NOON, Clock, Company
from tests.test_tree import ROOT
from tests.visitor import Visitor
from tests.web.test_home import change, tell

Client = Callable[[str], Visitor]


@pytest.fixture
def german() -> None:
    """The German of this checkout, compiled."""
    hatch_build.compile_translations(ROOT)
    languages.cache_clear()


def times(page: str) -> list[tuple[str, str]]:
    """(title, text) of each time on a page."""
    return re.findall(r'<time datetime="[^"]*" title="([^"]*)">([^<]*)</time>', page)


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    ("ago", "english", "german_words"),
    [
        (timedelta(0), "today, 13:00", "heute, 13:00"),
        (timedelta(hours=12), "today, 01:00", "heute, 01:00"),
        (timedelta(hours=13, minutes=1), "yesterday, 23:59", "gestern, 23:59"),
        (timedelta(days=2), "Monday, 13:00", "Montag, 13:00"),
        (timedelta(days=6), "Thursday, 13:00", "Donnerstag, 13:00"),
        (timedelta(days=7), "Nov 11, 13:00", "11. Nov., 13:00"),
        (timedelta(days=400), "Oct 14, 2025, 14:00", "14. Okt. 2025, 14:00"),
    ],
)
def test_a_moment_is_said_as_people_say_it(
    client_of: Client,
    db: Database,
    company: Company,
    clock: Clock,
    ago: timedelta,
    english: str,
    german_words: str,
) -> None:
    change(db, company, "ana", timezone="Europe/Berlin")
    uid = tell(db, company, "ben", "chris", at=NOON - ago)
    for language, words in (("en", english), ("de", german_words)):
        page = client_of("ana").get(f"/stories/{uid}", headers={"Accept-Language": language}).text
        assert words in [text for _title, text in times(page)]


@pytest.mark.usefixtures("german")
def test_the_exact_moment_is_on_hover_with_its_zone(
    client_of: Client, db: Database, company: Company
) -> None:
    uid = tell(db, company, "ben", "chris")
    change(db, company, "ana", timezone="Asia/Tokyo")
    english = times(client_of("ana").get(f"/stories/{uid}").text)
    german_times = times(client_of("ana").get(f"/stories/{uid}", headers={"Accept-Language": "de"}).text)
    assert english[0][1] == "today, 21:00"
    assert english[0][0].startswith("Wednesday, November 18, 2026")
    assert english[0][0].endswith("Japan Standard Time")
    assert german_times[0][1] == "heute, 21:00"
    assert german_times[0][0].startswith("Mittwoch, 18. November 2026, 21:00:00")


def test_what_is_to_come_is_named_with_its_date(client_of: Client, clock: Clock) -> None:
    ana = client_of("ana")
    for days in (1, 3, 9):
        due = (clock() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")
        ana.submit("/promises/new", {"what": f"Send the part in {days} days.", "due_at": due})
    said = [text for _title, text in times(ana.get("/promises").text)]
    assert [text.rpartition(" ")[0] + " " for text in said] == ["tomorrow, ", "Sat, Nov 21, ", "Nov 27, "]


def test_a_kept_page_says_yesterday_from_the_viewers_own_midnight_on(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    change(db, company, "ana", timezone="Pacific/Auckland")
    tell(db, company, "ben", "chris", at=datetime(2026, 11, 18, 10, 30, tzinfo=UTC))
    ana = client_of("ana")
    clock.at(datetime(2026, 11, 18, 10, 59, tzinfo=UTC))  # 23:59 there, noon in Berlin
    before = ana.get("/")
    assert "today, 23:30" in before.text
    clock.at(datetime(2026, 11, 18, 11, 0, tzinfo=UTC))
    after = ana.get("/", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert "yesterday, 23:30" in after.text
