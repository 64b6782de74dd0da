"""The lead's desk: what waits, judging with a way back, follow-ups, the team's promises and settings."""

import re
from collections.abc import Callable

import pytest

from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event
from leaderboard.tables import Team
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_stories import told

Client = Callable[[str], Visitor]


@pytest.fixture
def unhappy(db: Database, company: Company) -> None:
    rating = Event(
        key="rating/7/bad",
        kind="rating.bad",
        occurred_at=NOON,
        agents=("ana@example.com",),
        object="rating/7",
        ticket="7",
        text="I waited two days.",
    )
    db.write(lambda session: take_in(session, "desk", [rating], NOON))


def test_the_desk_is_for_leads_and_admins(client_of: Client) -> None:
    assert client_of("ana").get("/lead").status_code == 403
    assert client_of("lea").get("/lead").status_code == 200
    assert client_of("ada").get("/lead").status_code == 200


def test_a_lead_reads_accepts_and_undoes_on_one_page(client_of: Client) -> None:
    lea = client_of("lea")
    page = told(client_of("ana"), "ben", story="She found the shirt. " * 5)
    desk = lea.get("/lead").text
    assert "She found the shirt." in desk
    assert "It counts in week 2026-W47, which closes" in desk
    assert "She found the shirt." not in client_of("max").get("/lead").text
    lea.submit(f"{page}/accept", {"back": "lead"})
    desk = lea.get("/lead").text
    assert "Every story is read" in desk
    assert "accepted" in desk
    lea.submit(f"{page}/reopen", {"back": "lead"})
    assert "She found the shirt." in lea.get("/lead").text


def test_a_decline_needs_a_reason(client_of: Client) -> None:
    lea = client_of("lea")
    page = told(client_of("ana"), "ben")
    assert "Say why" in lea.submit(f"{page}/decline", {"back": "lead"}, follow_redirects=True).text
    lea.submit(f"{page}/decline", {"back": "lead", "reason": "For whom?"})
    assert "sent back" in lea.get("/lead").text


def test_a_story_about_the_lead_waits_for_another(client_of: Client) -> None:
    told(client_of("ana"), "lea", story="She found the shirt. " * 5)
    assert "She found the shirt." not in client_of("lea").get("/lead").text
    assert "She found the shirt." in client_of("max").get("/lead").text


def test_a_story_whose_week_ended_says_until_when_it_waits(client_of: Client, clock: Clock) -> None:
    told(client_of("ana"), "ben")
    closes = re.search(r'closes\s*<time datetime="([^"]+)"', client_of("lea").get("/lead").text)
    assert closes
    assert closes[1] == "2026-11-23T08:00:00Z", "Monday at nine in Berlin"


@pytest.mark.usefixtures("unhappy")
def test_an_unhappy_rating_is_followed_up_and_opened_again(client_of: Client) -> None:
    lea = client_of("lea")
    desk = lea.get("/lead").text
    assert "I waited two days." in desk
    number = re.search(r"/lead/follow-ups/(\d+)", desk)
    assert number
    assert "I waited" not in client_of("max").get("/lead").text
    assert client_of("max").submit(number[0], {"note": "mine now"}).status_code == 404
    assert client_of("lea").submit("/lead/follow-ups/99", {"note": "x"}).status_code == 404
    assert "Write what was done" in lea.submit(number[0], {"note": " "}, follow_redirects=True).text
    assert "Ana called" in lea.submit(number[0], {"note": "Ana called."}, follow_redirects=True).text
    assert "I waited" in lea.submit(number[0], {"undo": "yes"}, follow_redirects=True).text


def test_a_lead_sets_how_stories_count_and_whether_there_is_a_board(
    client_of: Client, db: Database, company: Company
) -> None:
    lea = client_of("lea")
    assert lea.submit("/lead/team/care/settings", {"accepts": "at_once"}).status_code == 303
    with db.reading() as session:
        team = session.get_one(Team, company.teams["Care"])
        assert (team.accepts, team.board) == ("at_once", False)
    ana = client_of("ana")
    assert "It is on the wall." in ana.get(told(ana, "ben")).text
    assert lea.submit("/lead/team/care/settings", {"accepts": "never"}).status_code == 400
    for slug in ("shop", "none"):
        assert lea.submit(f"/lead/team/{slug}/settings", {"accepts": "lead"}).status_code == 404
    assert client_of("ana").submit("/lead/team/care/settings", {"accepts": "lead"}).status_code == 403


def test_a_lead_sees_the_teams_promises(client_of: Client) -> None:
    client_of("ana").submit("/promises/new", {"what": "Call Mr Ito", "due_at": "2026-11-20T10:00"})
    assert "Call Mr Ito" in client_of("lea").get("/lead").text
    assert "Call Mr Ito" not in client_of("max").get("/lead").text
    assert "Call Mr Ito" in client_of("lea").get("/lead/team/care/promises.csv").text
    assert client_of("max").get("/lead/team/care/promises.csv").status_code == 404
