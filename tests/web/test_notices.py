"""What one is told, in the page: behind the bell and on /notices."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest

from leaderboard import jobs, recognition
from leaderboard.config import Config, Retention
from leaderboard.database import Database
from leaderboard.notices import SORT_NAMES
from leaderboard.tables import Person, Team
from tests.make import NOON, Clock, Company
from tests.test_ledger import take_in, thanks, withdraw
from tests.test_recognition import MONDAY, WEEK
from tests.test_recognition import told as tell
from tests.visitor import Visitor
from tests.web.test_promises import made
from tests.web.test_stories import told

Client = Callable[[str], Visitor]
CONFIG = Config()


def tick(db: Database, clock: Clock) -> None:
    jobs.tell_notices(db, CONFIG, clock)


def sentences(client: Visitor) -> list[tuple[str, bool]]:
    """What /notices says, from the top: the sentence, and whether it is marked as new."""
    items = re.findall(r'<li class="told-notice.*?</li>', client.get("/notices").text, re.DOTALL)
    return [
        (unescape(re.search(r'<a href="/notices/\d+">(.*?)</a>', item)[1]), ">new<" in item)  # type: ignore[index]
        for item in items
    ]


def bell(client: Visitor) -> int:
    """The number on the bell of any page."""
    found = re.search(r'class="bell-count"[^>]*>(\d+)', client.get("/people").text)
    return int(found[1]) if found else 0


def accepted(client_of: Client) -> str:
    """A story by Ana about Ben that Lea accepted."""
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    return page


def test_whom_a_story_is_about_and_who_told_it_hear_that_it_was_accepted(
    db: Database, client_of: Client, clock: Clock
) -> None:
    page = accepted(client_of)
    tick(db, clock)
    ben, ana = client_of("ben"), client_of("ana")
    assert sentences(ben) == [("Ana told a story about you", True)]
    assert sentences(ana) == [("Lea accepted your story about Ben", True)]
    assert sentences(client_of("chris")) == []
    assert (bell(ben), bell(ana), bell(client_of("chris"))) == (1, 1, 0)
    link = re.search(r'href="(/notices/\d+)"', ben.get("/notices").text)
    assert link is not None
    assert ben.get(link[1]).location == page
    assert sentences(ben) == [("Ana told a story about you", False)]
    assert bell(ben) == 0
    assert ana.get(link[1]).status_code == 404, "nobody opens what another was told"


def test_a_story_that_came_back_says_so_with_the_leads_words(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/decline", {"reason": "Who was the customer?"})
    ana = client_of("ana")
    assert sentences(ana) == [("Lea sent your story about Ben back", True)]
    assert "Who was the customer?" in ana.get("/notices").text
    assert sentences(client_of("ben")) == []
    client_of("lea").submit(f"{page}/reopen")
    assert sentences(ana) == []


def test_co_signs_of_a_story_are_one_notice_that_comes_up_again(
    db: Database, client_of: Client, clock: Clock
) -> None:
    page = accepted(client_of)
    ben = client_of("ben")
    client_of("chris").submit(f"{page}/co-sign")
    clock.forward(minutes=1)
    assert sentences(ben)[0] == ("Chris saw it too: the story that Ana told about you", True)
    tick(db, clock)
    until = re.search(r'name="until" value="(\d+)"', ben.get("/notices").text)
    assert until is not None
    ben.submit("/notices/read", {"until": until[1]})
    assert (bell(ben), [new for _sentence, new in sentences(ben)]) == (0, [False, False])
    for handle in ("dan", "eve"):
        clock.forward(minutes=1)
        client_of(handle).submit(f"{page}/co-sign")
    tick(db, clock)
    assert sentences(ben) == [
        ("Eve and 2 others saw it too: the story that Ana told about you", True),
        ("Ana told a story about you", False),
    ]
    assert bell(ben) == 1
    for handle in ("chris", "dan", "eve"):
        client_of(handle).submit(f"{page}/co-sign/take-back")
    tick(db, clock)
    assert (bell(ben), len(sentences(ben))) == (0, 1)


@pytest.mark.parametrize("how", ["withdraw", "reopen", "hide"])
def test_what_may_be_seen_no_more_is_told_no_more(
    db: Database, client_of: Client, clock: Clock, how: str
) -> None:
    page = accepted(client_of)
    client_of("chris").submit(f"{page}/co-sign")
    tick(db, clock)
    ben = client_of("ben")
    assert bell(ben) == 2
    who = {"withdraw": "ana", "reopen": "lea", "hide": "ben"}[how]
    client_of(who).submit(f"{page}/{how}")
    assert sentences(ben) == []
    tick(db, clock)
    assert bell(ben) == 0
    if how == "reopen":
        client_of("lea").submit(f"{page}/accept")
        assert ("Ana told a story about you", True) in sentences(ben)


def test_thanks_are_told_by_the_clock_once_and_go_when_they_are_taken_back(
    db: Database, client_of: Client, company: Company, clock: Clock
) -> None:
    tick(db, clock)
    ana = client_of("ana")
    take_in(db, thanks(1, hours=50, customer="Mr Ito"), thanks(2, hours=50, customer="4711"))
    take_in(db, thanks(3, hours=50, kind="rating.good", text=None), thanks(4, hours=-24 * 9))
    assert sentences(ana) == []
    for _again in range(2):
        tick(db, clock)
        assert sorted(sentences(ana)) == [("A customer thanked you", True), ("Mr Ito thanked you", True)]
    assert bell(ana) == 2
    assert "She found our luggage!" in ana.get("/notices").text
    take_in(db, withdraw("rating/1/thanks"))
    assert sentences(ana) == [("A customer thanked you", True)]
    tick(db, clock)
    assert bell(ana) == 1


def test_what_was_there_before_the_clock_first_looked_is_no_news(
    db: Database, client_of: Client, company: Company, clock: Clock
) -> None:
    take_in(db, thanks(1, hours=50))
    tick(db, clock)
    tick(db, clock)
    assert sentences(client_of("ana")) == []


def test_stories_that_wait_are_one_notice_to_each_lead(db: Database, client_of: Client, clock: Clock) -> None:
    first, _second = told(client_of("ana"), "ben"), told(client_of("chris"), "ben")
    tick(db, clock)
    lea = client_of("lea")
    assert sentences(lea) == [("2 stories wait for you", True)]
    assert sentences(client_of("max")) == []
    lea.submit(f"{first}/accept")
    tick(db, clock)
    assert sentences(lea) == [("1 story waits for you", True)]
    link = re.search(r'href="(/notices/\d+)"', lea.get("/notices").text)
    assert link is not None
    assert lea.get(link[1]).location == "/lead"
    told(client_of("ben"), "chris")
    tick(db, clock)
    assert sentences(lea) == [("2 stories wait for you", True)]


def test_a_promise_is_remembered_before_it_falls_due_and_after_it_was_confirmed(
    db: Database, client_of: Client, clock: Clock
) -> None:
    ana, ben = client_of("ana"), client_of("ben")
    page = made(ana)
    tick(db, clock)
    assert sentences(ana) == []
    clock.at(NOON + timedelta(days=1))
    tick(db, clock)
    ana, ben = client_of("ana"), client_of("ben")  # their sessions lasted a day
    assert sentences(ana) == [("A promise of yours falls due soon", True)]
    assert "Call Mr Ito about the lost parcel" in ana.get("/notices").text
    ana.submit(f"{page}/keep", {"note": "He was glad"})
    tick(db, clock)
    assert sentences(ana) == []
    assert sentences(ben) == [("1 promise that a colleague kept waits for somebody to confirm it", True)]
    ben.submit(f"{page}/confirm")
    tick(db, clock)
    assert sentences(ana) == [("Ben confirmed that you kept your promise", True)]
    assert sentences(ben) == []
    ben.submit(f"{page}/take-back")
    assert sentences(ana) == []


def test_a_short_promise_is_remembered_an_hour_before(db: Database, client_of: Client, clock: Clock) -> None:
    ana = client_of("ana")
    made(ana, due_at="2026-11-18T18:00")
    tick(db, clock)
    assert sentences(ana) == []
    clock.forward(hours=4, minutes=30)
    tick(db, clock)
    assert sentences(ana) == [("A promise of yours falls due soon", True)]


def test_a_winner_hears_of_it_when_it_is_announced(
    db: Database, client_of: Client, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(WEEK)
        for giver in ("chris", "lea"):
            tell(session, company, giver, "ana")
    clock.at(MONDAY)
    jobs.close_weeks(db, CONFIG, clock)
    ana = client_of("ana")
    assert sentences(ana) == []
    with db.writing() as session:
        closed = recognition.closed_week(session, company.teams["Care"], WEEK)
        assert closed is not None
        recognition.announce(session, CONFIG, closed.id or 0, clock(), None)
    assert sentences(ana) == [("You are announced: Relationships, Care, week 47", True)]


def test_the_bell_changes_the_etag_of_its_own_person_only(
    db: Database, client_of: Client, clock: Clock
) -> None:
    accepted(client_of)
    tick(db, clock)
    ben, chris = client_of("ben"), client_of("chris")
    etags = {who: who.get("/").headers["ETag"] for who in (ben, chris)}
    assert 'class="bell-count"' in ben.get("/").text
    assert 'class="bell-count"' not in chris.get("/").text
    ben.submit("/notices/read", {"until": "999999999"})
    moved = ben.get("/board", headers={"If-None-Match": etags[ben]})
    assert moved.status_code == 200
    assert 'id="bell"' in moved.text
    assert 'class="bell-count"' not in moved.text
    assert chris.get("/", headers={"If-None-Match": etags[chris]}).status_code == 304


def test_each_sort_can_be_switched_off(db: Database, client_of: Client, clock: Clock) -> None:
    ben = client_of("ben")
    page = ben.get("/me/notices").text
    assert "A story waits for me as a lead" not in page
    assert "No mail goes out from here yet" in page
    chosen = dict(re.findall(r'<select[^>]* name="(\w+)".*?<option selected value="(\w+)"', page, re.DOTALL))
    assert chosen["story"] == "at_once"
    assert ben.submit("/me/notices", chosen | {"story": "off"}).status_code == 303
    accepted(client_of)
    assert sentences(ben) == []
    assert ben.submit("/me/notices", chosen | {"story": "loudly"}).status_code == 200
    lea = client_of("lea")
    assert "A story waits for me as a lead" in lea.get("/me/notices").text
    lea.submit("/me/notices", chosen | {"to_judge": "off"})
    told(client_of("ana"), "ben")
    tick(db, clock)
    assert sentences(lea) == []


def test_the_list_goes_on_page_by_page_and_comes_as_a_file(
    db: Database, client_of: Client, clock: Clock
) -> None:
    tick(db, clock)
    take_in(db, *(thanks(number, hours=50, customer=f"Guest {number}.") for number in range(35)))
    tick(db, clock)
    ana = client_of("ana")
    first = sentences(ana)
    after = re.search(r'href="(/notices\?after=[^"]+)"', ana.get("/notices").text)
    assert after is not None
    second = re.findall(r'href="/notices/\d+">(.*?)<', ana.get(unescape(after[1])).text)
    assert len({sentence for sentence, _new in first} | set(second)) == 35
    table = list(csv.reader(io.StringIO(ana.get("/notices.csv").data.decode("utf-8-sig"))))
    assert len(table) == 36
    assert table[1][4] == "http://localhost/people/ana"
    assert ana.get("/notices?after=nonsense").status_code == 200
    assert ana.submit("/notices/read", {"until": "nonsense"}).status_code == 400


def test_what_was_read_is_forgotten_after_its_time_and_the_unread_stays(
    db: Database, client_of: Client, company: Company, clock: Clock
) -> None:
    accepted(client_of)
    tick(db, clock)
    ben = client_of("ben")
    ben.submit("/notices/read", {"until": "999999999"})
    short = CONFIG.model_copy(update={"retention": Retention(notice_days=30)})
    clock.forward(days=31)
    assert jobs.forget(db, short, clock) == 1
    tick(db, clock)
    assert sentences(client_of("ben")) == []
    assert len(sentences(client_of("ana"))) == 1
    with db.reading() as session:
        assert session.get(Person, company["ana"]).unread == 1  # type: ignore[union-attr]


def test_beside_the_notices_stands_how_one_is_told(client_of: Client) -> None:
    def beside(client: Visitor) -> list[str]:
        page = client.get("/notices").text
        return re.findall(r"<d[td]>(.*?)</d", page[page.index('id="ways"') :])

    ben = client_of("ben")
    before = beside(ben)
    assert before.index("In the page, and by mail at once") < before.index("I am announced as a winner")
    assert "Not at all" not in before
    ben.submit("/me/notices", dict.fromkeys(SORT_NAMES.keys() - {"to_judge"}, "page") | {"won": "off"})
    assert beside(ben)[-2:] == ["Not at all", "I am announced as a winner"]
    assert "A story waits for me as a lead" in beside(client_of("lea"))


def test_an_open_page_hears_the_bell_at_the_cost_of_a_304(
    db: Database, client_of: Client, clock: Clock
) -> None:
    ben = client_of("ben")
    version = re.search(r'id="bell"[^>]* data-live="([^"]+)"', ben.get("/people").text)
    assert version is not None
    shown = {"If-None-Match": unescape(version[1])}
    quiet = ben.get("/notices/bell", headers=shown)
    assert (quiet.status_code, quiet.data) == (304, b"")
    accepted(client_of)
    tick(db, clock)
    rung = ben.get("/notices/bell", headers=shown)
    assert rung.status_code == 200
    assert re.search(r'class="bell-count"[^>]*>1<', rung.text)
    assert unescape(rung.text).count(f'data-live="{rung.headers["ETag"]}"') == 1
    assert ben.get("/notices/bell", headers={"If-None-Match": rung.headers["ETag"]}).status_code == 304
