"""The lead's desk: what waits, judging with a way back, follow-ups, the team's promises and settings."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from leaderboard import announcements, jobs
from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event
from leaderboard.tables import Person, Team, TeamLead
from tests.make import NOON, Clock, Company
from tests.test_recognition import MONDAY
from tests.visitor import Visitor
from tests.web.test_stories import told
from tests.web.test_weeks import closed, week, winner

__all__ = ["closed", "week"]

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
    desk = lea.submit(f"/lead{page}", {"do": "accept"}, follow_redirects=True).text
    assert "Accepted: the story about Ben." in desk
    assert "Your desk is clear" in desk
    assert "10 points" in lea.get(page).text
    desk = lea.submit(f"/lead{page}", {"do": "undo"}, follow_redirects=True).text
    assert "Undone. It waits again." in desk
    assert "She found the shirt." in desk
    assert total(client_of("ben")) == 0
    lea.submit(f"/lead{page}", {"do": "accept"})
    assert total(client_of("ben")) == 10, "accepted again, it earns again"


def total(client: Visitor) -> int:
    """What this person's page says that they have earned this week."""
    found = re.search(r"(\d+) points?", client.get("/people/ben").text)
    return int(found[1]) if found else 0


def test_a_decline_needs_a_reason_and_keeps_what_was_typed(client_of: Client) -> None:
    lea = client_of("lea")
    page = told(client_of("ana"), "ben")
    answer = lea.submit(f"/lead{page}", {"do": "decline", "reason": " "})
    assert answer.status_code == 422
    assert "Say why" in answer.text
    long = "Why? " * 101
    answer = lea.submit(f"/lead{page}", {"do": "decline", "reason": long})
    assert "at most 500 fit" in answer.text
    assert long.strip() in answer.text
    desk = lea.submit(f"/lead{page}", {"do": "decline", "reason": "For whom?"}, follow_redirects=True).text
    assert "Sent back to Ana, with your words." in desk
    assert "For whom?" in client_of("ana").get(page).text


def test_words_to_begin_with_are_enough_to_send_a_story_back(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    words = "Thank you for telling it. Which part of it went the extra mile?"
    assert words in client_of("lea").get("/lead").text
    client_of("lea").submit(f"/lead{page}", {"do": "decline", "reason": "", "suggestion": words})
    assert words in client_of("ana").get(page).text


def test_undo_is_for_a_minute_and_for_the_one_who_judged(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        session.add(TeamLead(team_id=company.teams["Care"], person_id=company["max"]))
    page = told(client_of("ana"), "ben")
    lea, other = client_of("lea"), client_of("max")
    lea.submit(f"/lead{page}", {"do": "accept"})
    assert "Lea was quicker" in other.submit(f"/lead{page}", {"do": "undo"}).text
    assert "10 points" in lea.get(page).text
    clock.forward(seconds=60)
    assert 'data-key="u"' in lea.get(f"/lead?at=story-{page.rpartition('/')[2]}").text
    clock.forward(seconds=1)
    assert 'data-key="u"' not in lea.get(f"/lead?at=story-{page.rpartition('/')[2]}").text
    assert "That was a while ago" in lea.submit(f"/lead{page}", {"do": "undo"}).text
    assert "10 points" in lea.get(page).text
    assert "accepted" in other.get("/lead").text, "after that it is let wait again in the open"


def test_undo_leaves_a_week_that_was_closed_meanwhile_as_it_is(
    app: Flask, client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).first_week = "2026-W47"
    page = told(client_of("ana"), "ben")
    clock.at(MONDAY - timedelta(seconds=10))
    lea = client_of("lea")
    lea.submit(f"/lead{page}", {"do": "accept"})
    clock.at(MONDAY)
    jobs.close_weeks(db, app.extensions["config"], clock)
    assert "The week was closed meanwhile" in lea.submit(f"/lead{page}", {"do": "undo"}).text
    assert "10 points" in lea.get(page).text


def test_of_two_leads_the_slower_reads_who_was_quicker(
    client_of: Client, db: Database, company: Company
) -> None:
    with db.writing() as session:
        session.add(TeamLead(team_id=company.teams["Care"], person_id=company["max"]))
    page = told(client_of("ana"), "ben")
    client_of("max").submit(f"/lead{page}", {"do": "accept"})
    answer = client_of("lea").submit(f"/lead{page}", {"do": "decline", "reason": "For whom?"})
    assert answer.status_code == 422
    assert "Max was quicker and accepted the story about Ben." in answer.text
    assert 'data-key="u"' not in answer.text, "what another judged is not hers to undo"
    assert "10 points" in client_of("ana").get(page).text


def test_a_foreign_story_is_not_there_and_a_step_must_be_named(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    assert client_of("max").submit(f"/lead{page}", {"do": "accept"}).status_code == 404
    assert client_of("lea").submit(f"/lead{page}", {"do": "delete"}).status_code == 400
    assert client_of("lea").submit(f"/lead{page}").status_code == 400
    assert client_of("ana").submit(f"/lead{page}", {"do": "accept"}).status_code == 403


def test_the_desk_says_what_happens_by_itself_and_until_when(
    app: Flask, client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).first_week = "2026-W47"
    told(client_of("ana"), "ben")
    lea = client_of("lea")
    assert lea.get("/lead").text.count("1 thing waits for you") == 1
    assert "Week 47 of Care runs. It closes by itself:" in lea.get("/lead").text
    clock.at(MONDAY - timedelta(minutes=80))
    lea = client_of("lea")
    desk = words_of(lea.get("/lead"))
    assert "Week 47 of Care has ended. It closes by itself: today, 09:00, in 1 hour. What is" in desk
    assert "Its week closes in 1 hour" in desk
    clock.at(MONDAY)
    jobs.close_weeks(db, app.extensions["config"], clock)
    desk = words_of(lea.get("/lead"))
    assert "The winners of week 47 of Care are drafted. They stay so until you announce them." in desk
    assert "Week 48 of Care runs." in desk
    assert "Its week 2026-W47 is closed; accepted now, it counts in the open week" in desk
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).autopilot = True
    desk = words_of(lea.get("/lead"))
    assert "If you do nothing, the clock announces them as drafted: tomorrow, 09:00, in 1 day." in desk


def words_of(answer: TestResponse) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", "", answer.text).split())


def test_the_most_urgent_lies_on_top(
    closed: int, unhappy: None, client_of: Client, company: Company, clock: Clock
) -> None:
    ana = client_of("ana")
    late = told(ana, "ben")
    ana.submit("/promises/new", {"what": "Call Mr Ito", "due_at": "2026-11-25T10:00"})
    promise = str(ana.submit("/promises/new", {"what": "Write", "due_at": "2026-11-25T11:00"}).location)
    ana.submit(f"{promise}/keep")
    keys = [
        "week-care-2026-W47",
        f"story-{late.rpartition('/')[2]}",
        f"promise-{promise.rpartition('/')[2]}",
        "unhappy-1",
    ]
    assert keys_on(client_of("lea")) == keys
    clock.forward(days=7, hours=-1)
    keys = [keys[1], keys[2], keys[0], keys[3]]
    assert keys_on(client_of("lea")) == keys, "what the closing hour takes away goes first"


def keys_on(client: Visitor) -> list[str]:
    return re.findall(r'<article class="panel desk-item[^"]*" id="([^"]+)"', client.get("/lead").text)


def test_winners_are_announced_from_the_desk_and_called_back_before_any_message_leaves(
    closed: int, app: Flask, client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        announcements.add_channel(session, company.teams["Care"], "email", "Everybody", "all@example.com")
    lea, page = client_of("lea"), "/lead/weeks/care/2026-W47"
    words = f"words-{winner(db)}"
    kept = lea.submit(
        page, {"desk": "yes", "opening": "What a week!", "action": "save"}, follow_redirects=True
    )
    assert "Your words are kept." in kept.text
    assert "What a week!" in kept.text
    wrong = lea.submit(page, {"desk": "yes", words: "x" * 1201, "action": "announce"})
    assert wrong.status_code == 422
    assert "at most 1,200 fit" in wrong.text
    assert "x" * 1201 in wrong.text
    done = lea.submit(page, {"desk": "yes", words: "She drove.", "action": "announce"}, follow_redirects=True)
    assert "Announced: week 47 of Care." in done.text
    assert "She drove." in client_of("ben").get("/weeks/2026-W47?team=care").text
    config = app.extensions["config"]
    clock.forward(seconds=59)
    assert announcements.deliver_due(db, config, clock) == 0
    again = lea.submit(page, {"action": "undo"}, follow_redirects=True).text
    assert "Undone. It waits again." in again
    assert "She drove." in again
    assert "not announced yet" in client_of("ben").get("/weeks/2026-W47?team=care").text
    lea.submit(page, {"desk": "yes", words: "She drove there.", "action": "announce"})
    clock.forward(seconds=60)
    with db.reading() as session:
        (message,) = announcements.of_week(session, closed)
    assert "She drove there." in message[0].body
    assert announcements.deliver_due(db, config, clock) == 1
    assert "on their way already" in lea.submit(page, {"action": "undo"}).text
    clock.forward(seconds=1)
    assert "was announced a while ago" in lea.submit(page, {"action": "undo"}).text
    assert client_of("max").submit(page, {"action": "undo"}).status_code == 404


def test_a_lead_who_won_reads_why_somebody_else_announces(
    closed: int, client_of: Client, db: Database, company: Company
) -> None:
    with db.writing() as session:
        session.add(TeamLead(team_id=company.teams["Care"], person_id=company["ana"]))
        session.get_one(Person, company["ana"]).role = "lead"
    assert keys_on(client_of("ana")) == keys_on(client_of("lea")) == []
    assert "You are among the winners" in client_of("ana").get("/lead").text
    assert "an admin announces this week" in client_of("lea").get("/lead").text
    assert keys_on(client_of("ada")) == ["week-care-2026-W47"]


def test_a_kept_promise_is_confirmed_from_the_desk_and_taken_back(client_of: Client) -> None:
    ana, lea = client_of("ana"), client_of("lea")
    promise = str(ana.submit("/promises/new", {"what": "Call Mr Ito", "due_at": "2026-11-20T10:00"}).location)
    assert keys_on(lea) == []
    ana.submit(f"{promise}/keep", {"note": "He was glad."})
    assert "He was glad." in lea.get("/lead").text
    assert (
        "Confirmed: Ana kept the promise."
        in lea.submit(f"/lead{promise}", {"do": "confirm"}, follow_redirects=True).text
    )
    assert keys_on(lea) == []
    assert "Undone." in lea.submit(f"/lead{promise}", {"do": "undo"}, follow_redirects=True).text
    assert len(keys_on(lea)) == 1
    assert client_of("max").submit(f"/lead{promise}", {"do": "confirm"}).status_code == 404


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
    close = {"do": "close", "note": "Ana called."}
    assert client_of("max").submit(number[0], close).status_code == 404
    assert lea.submit("/lead/follow-ups/99", close).status_code == 404
    assert "Write what was done" in lea.submit(number[0], {"do": "close", "note": " "}).text
    done = lea.submit(number[0], close, follow_redirects=True).text
    assert "Followed up. Thank you." in done
    assert "Ana called" in done
    assert "I waited" in lea.submit(number[0], {"do": "undo"}, follow_redirects=True).text


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
