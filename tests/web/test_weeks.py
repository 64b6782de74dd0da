"""The pages of weeks, the lead's desk, and the channels."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import announcements, jobs, recognition
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.tables import Announcement, Channel, ClosedWeek, Recognition, Team
from leaderboard.weeks import Week
from tests import make
from tests.test_recognition import MONDAY, WEEK, told, withdrawn
from tests.visitor import Visitor

ClientOf = Callable[[str], Visitor]
DESK = "/lead/weeks/care/2026-W47"


@pytest.fixture
def week(app: Flask, db: Database, company: make.Company, clock: make.Clock) -> str:
    """Week 47 of Care with stories that make Ana its winner and Ben the next; the clock stands in it. A story's id."""
    with db.writing() as session:
        for team_id in company.teams.values():
            team = session.get_one(Team, team_id)
            team.first_week = str(WEEK)
            session.add(team)
        session.flush()
        for giver in ("chris", "lea"):
            told(session, company, giver, "ben", points=5)
            uid = told(session, company, giver, "ana", points=9)
    return uid


@pytest.fixture
def closed(week: str, app: Flask, db: Database, clock: make.Clock) -> int:
    """The same week, closed on Monday by the clock; the closed week's id."""
    clock.at(MONDAY)
    assert jobs.close_weeks(db, app.extensions["config"], clock) == 1
    with db.reading() as session:
        return session.exec(select(ClosedWeek.id)).one() or 0


def winner(db: Database) -> int:
    with db.reading() as session:
        return session.exec(select(Recognition.id).where(Recognition.dropped_at == None)).one() or 0  # noqa: E711


def page(client: Visitor, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:500]
    return answer.text


# ---------------------------------------------------------------- the weeks


def test_a_running_week_says_when_it_closes(week: str, client_of: ClientOf) -> None:
    text = page(client_of("ana"), "/weeks/2026-W47?team=care")
    assert "still open" in text
    assert "2026-11-23T08:00:00Z" in text
    assert "running and closes:" in page(client_of("ana"), "/weeks")


def test_a_closed_week_keeps_its_winners_for_the_announcement(closed: int, client_of: ClientOf) -> None:
    text = page(client_of("ana"), "/weeks/2026-W47?team=care")
    assert "not announced yet" in text
    assert "Who went the extra mile" not in text
    assert "right shirt" in text


def test_an_announced_week_shows_winners_stories_and_numbers(
    closed: int, client_of: ClientOf, db: Database
) -> None:
    answer = client_of("lea").submit(
        DESK, {"opening": "What a week!", f"words-{winner(db)}": "Ana drove it there.", "action": "announce"}
    )
    assert answer.status_code == 303
    text = page(client_of("dan"), "/weeks/2026-W47?team=care")
    for expected in (
        "What a week!",
        "Ana drove it there.",
        "18 points",
        "To talk over",
        "2 different witnesses",
    ):
        assert expected in text
    assert "Ana drove it there." in page(client_of("dan"), "/weeks/2026-W47")
    large = page(client_of("dan"), "/weeks").partition('class="latest-words"')[2]
    assert large.startswith(">Ana drove it there.<"), "the winner's words stand above the list"
    assert 'class="latest' not in page(client_of("dan"), "/weeks?before=2026-W47")


def test_a_withdrawn_story_leaves_the_page_and_its_correction_stands_beside(
    week: str, closed: int, client_of: ClientOf, db: Database
) -> None:
    from leaderboard.tables import Nomination

    with db.writing() as session:
        withdrawn(session, week, MONDAY + timedelta(days=1))
        story = session.exec(select(Nomination).where(Nomination.uid == week)).one()
        story.state = "withdrawn"
        session.add(story)
    text = page(client_of("ben"), "/weeks/2026-W47?team=care")
    assert f"/stories/{week}" not in text
    assert "1 story was withdrawn since" in text
    assert "Corrected since" in text
    assert "−9 points" in text
    assert "18 points" in text  # the frozen board


def test_the_companys_week_is_provisional_until_all_have_closed(closed: int, client_of: ClientOf) -> None:
    assert "Provisional" in page(client_of("ana"), "/weeks/2026-W47")


def test_a_team_without_a_board_shows_none_on_its_week(
    closed: int, client_of: ClientOf, db: Database
) -> None:
    with db.writing() as session:
        team = session.exec(select(Team).where(Team.slug == "care")).one()
        team.board = False
        session.add(team)
    assert "The board" not in page(client_of("ana"), "/weeks/2026-W47?team=care")
    assert client_of("ana").get("/weeks/2026-W47.csv?team=care").text.count("\n") == 1


def test_the_board_of_a_week_is_a_file(closed: int, client_of: ClientOf) -> None:
    answer = client_of("ana").get("/weeks/2026-W47.csv?team=care")
    assert answer.text.splitlines()[1:] == ["1,Ana,18", "2,Ben,10"]
    assert client_of("dan").get("/weeks/2026-W47.csv").text.splitlines()[1:] == ["1,Ana,18", "2,Ben,10"]


def test_who_was_celebrated_is_a_file_that_keeps_winners_for_the_announcement(
    closed: int, client_of: ClientOf
) -> None:
    def file() -> list[str]:
        return client_of("ana").get("/weeks.csv").text.splitlines()[1:]

    assert file() == ["2026-W47,Care,,,,"]
    client_of("lea").submit(DESK, {"action": "announce"})
    (line,) = file()
    assert line.startswith("2026-W47,Care,2026-11-23T08:00:00Z,")
    assert ",Ana," in line


@pytest.mark.parametrize(
    "path", ["/weeks/2026-W54", "/weeks/soon", "/weeks/2026-W47?team=nobody", "/weeks?before=x"]
)
def test_a_week_or_team_that_is_not_there_is_404(closed: int, client_of: ClientOf, path: str) -> None:
    page(client_of("ana"), path, 404)


# ---------------------------------------------------------------- the lead's desk


def test_the_desk_of_a_running_week_says_what_waits_and_until_when(week: str, client_of: ClientOf) -> None:
    text = page(client_of("lea"), DESK)
    assert "No story of this week waits" in text
    assert "2026-11-23T08:00:00Z" in text
    assert "Freeze the numbers" not in text


def test_a_lead_comes_straight_to_the_week_to_announce(closed: int, client_of: ClientOf) -> None:
    assert client_of("lea").get("/lead/weeks").headers["Location"] == DESK
    assert "Care" in page(client_of("ada"), "/lead/weeks")


def test_an_ended_week_may_be_closed_before_its_hour(
    week: str, client_of: ClientOf, db: Database, clock: make.Clock
) -> None:
    client_of("lea").submit(f"{DESK}/close")
    clock.at(datetime(2026, 11, 23, 0, 5, tzinfo=UTC))
    with db.reading() as session:
        assert session.exec(select(ClosedWeek)).all() == []
    assert "Freeze the numbers" in page(client_of("lea"), DESK)
    client_of("lea").submit(f"{DESK}/close")
    with db.reading() as session:
        assert session.exec(select(ClosedWeek)).one().week == "2026-W47"


def test_the_preview_is_what_the_channels_get(
    closed: int, client_of: ClientOf, db: Database, company: make.Company
) -> None:
    with db.writing() as session:
        session.add(
            Channel(team_id=company.teams["Care"], kind="email", name="All", target="care@example.com")
        )
    client_of("lea").submit(DESK, {"opening": "@everyone <b>look</b>", "action": "save"})
    with db.reading() as session:
        shown = recognition.message(session, Config(), session.get_one(ClosedWeek, closed))
    text = page(client_of("lea"), DESK)
    assert "<b>look</b>" not in text
    assert "@\u200beveryone ‹b›look‹/b›" in text
    client_of("lea").submit(DESK, {"opening": "@everyone <b>look</b>", "action": "announce"})
    with db.reading() as session:
        (row,) = session.exec(select(Announcement)).all()
    assert row.body.replace("http://localhost", "http://127.0.0.1:8000") == shown.text


def test_words_that_are_refused_are_not_lost(closed: int, client_of: ClientOf, db: Database) -> None:
    answer = client_of("lea").submit(
        DESK, {"opening": "Keep me", f"words-{winner(db)}": "x" * 1201, "action": "announce"}
    )
    assert answer.status_code == 422
    assert "Keep me" in answer.text
    assert "at most 1,200 fit" in answer.text
    with db.reading() as session:
        row = session.get_one(ClosedWeek, closed)
        assert (row.opening, row.announced_at) == ("", None)


def test_a_winner_is_replaced_on_the_desk(
    closed: int, client_of: ClientOf, db: Database, company: make.Company
) -> None:
    path = f"{DESK}/winners/{winner(db)}/drop"
    form = {"category": "relationships", "person": company.uids["ben"]}
    assert client_of("lea").submit(path, {**form, "reason": ""}).status_code == 422
    assert client_of("lea").submit(path, {**form, "reason": "Ana passes it on."}).status_code == 303
    text = page(client_of("lea"), DESK)
    assert "chosen by a lead" in text
    assert "Ana passes it on." in text
    client_of("lea").submit(f"{DESK}/winners/{winner(db) - 1}/restore")
    client_of("lea").submit(DESK, {"action": "announce"})
    winners = page(client_of("dan"), "/weeks/2026-W47?team=care").split("The week's stories")[0]
    assert "Ana" in winners
    assert "Ben" in winners


def test_a_lead_who_won_waits_for_an_admin(
    week: str, app: Flask, client_of: ClientOf, db: Database, company: make.Company, clock: make.Clock
) -> None:
    with db.writing() as session:
        for giver in ("chris", "ana"):
            told(session, company, giver, "lea", "team-player", points=9)
    clock.at(MONDAY)
    jobs.close_weeks(db, app.extensions["config"], clock)
    text = page(client_of("lea"), DESK)
    assert "You are among the winners" in text
    assert 'value="announce"' not in text
    assert client_of("lea").submit(DESK, {"action": "announce"}).status_code == 422
    assert client_of("ada").submit(DESK, {"action": "announce"}).status_code == 303


@pytest.mark.parametrize(("handle", "status"), [("ana", 403), ("max", 404), ("lea", 200), ("ada", 200)])
def test_only_its_leads_and_admins_open_a_teams_desk(
    closed: int, client_of: ClientOf, handle: str, status: int
) -> None:
    for path in (DESK, "/lead/team/care/channels"):
        page(client_of(handle), path, status)


@pytest.mark.parametrize("handle", ["ana", "max"])
def test_nobody_else_changes_a_teams_week(
    closed: int, client_of: ClientOf, db: Database, handle: str
) -> None:
    for path in ("", "/close", f"/winners/{winner(db)}/drop", f"/winners/{winner(db)}/restore", "/winners"):
        answer = client_of(handle).submit(DESK + path, {"action": "announce", "reason": "Mine"})
        assert answer.status_code in (403, 404), path
    with db.reading() as session:
        assert session.get_one(ClosedWeek, closed).announced_at is None


def test_a_message_that_failed_is_sent_again_by_the_lead(
    closed: int, client_of: ClientOf, db: Database, company: make.Company, clock: make.Clock
) -> None:
    with db.writing() as session:
        session.add(
            Channel(team_id=company.teams["Care"], kind="email", name="All", target="care@example.com")
        )
    client_of("lea").submit(DESK, {"action": "announce"})
    clock.forward(seconds=60)  # so long it can be called back
    announcements.deliver_due(db, Config(), clock)
    text = page(client_of("lea"), DESK)
    assert "no mail server is configured" in text
    assert "Not sent" in text
    with db.reading() as session:
        (row,) = session.exec(select(Announcement)).all()
    assert client_of("max").submit(f"{DESK}/messages/{row.id}", {"decision": "again"}).status_code == 404
    assert client_of("lea").submit(f"{DESK}/messages/{row.id}", {"decision": "again"}).status_code == 303
    assert "Waits to be sent" in page(client_of("lea"), DESK)
    assert client_of("lea").submit(f"{DESK}/messages/999", {"decision": "again"}).status_code == 404


# ---------------------------------------------------------------- channels


CHANNELS = "/lead/team/care/channels"


def test_a_channel_is_added_and_its_secret_never_shown_again(
    week: str, client_of: ClientOf, db: Database
) -> None:
    lea = client_of("lea")
    secret = "TIiajkdnlazkcOXrIdevi7FQ"
    address = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{secret}"
    answer = lea.submit(CHANNELS, {"kind": "apprise", "name": "Team chat", "target": address})
    assert answer.status_code == 303
    text = page(lea, CHANNELS)
    assert "Team chat" in text
    assert "hooks.slack.com" in text
    assert secret not in text
    with db.reading() as session:
        channel = session.exec(select(Channel)).one()
    assert client_of("max").submit(f"/lead/team/shop/channels/{channel.id}/remove").status_code == 303
    assert "Team chat" in page(lea, CHANNELS)
    lea.submit(f"{CHANNELS}/{channel.id}/remove")
    assert "Team chat" not in page(lea, CHANNELS)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"kind": "email", "name": "All", "target": "nobody"}, "not an e-mail address"),
        ({"kind": "apprise", "name": "Hook", "target": "json://10.0.0.1/x"}, "list of allowed"),
        ({"kind": "email", "name": "", "target": "a@example.com"}, "1 to 60 characters"),
        ({"kind": "fax", "name": "Fax", "target": "123"}, "Choose e-mail"),
        ({}, "Choose e-mail"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_beside_its_field(
    week: str, client_of: ClientOf, form: dict[str, Any], word: str
) -> None:
    answer = client_of("lea").submit(CHANNELS, form)
    assert answer.status_code == 422
    assert word in answer.text


def test_a_test_message_says_how_it_went(
    week: str, client_of: ClientOf, db: Database, company: make.Company
) -> None:
    with db.writing() as session:
        channel = Channel(team_id=company.teams["Care"], kind="email", name="All", target="care@example.com")
        session.add(channel)
        session.flush()
    client_of("lea").submit(f"{CHANNELS}/{channel.id}/test")
    lea = client_of("lea")
    lea.submit(f"{CHANNELS}/{channel.id}/test")
    assert "no mail server is configured" in page(lea, CHANNELS)


def test_a_week_of_another_year_still_has_its_neighbours(week: str, client_of: ClientOf) -> None:
    text = page(client_of("ana"), f"/weeks/{Week(2027, 1)}?team=care")
    assert "/weeks/2026-W53?team=care" in text


def test_no_page_leads_into_weeks_that_nobody_has_begun(week: str, client_of: ClientOf) -> None:
    ana = client_of("ana")
    for more in ("", "?team=care"):
        assert f"/weeks/{WEEK}{more}" in page(ana, f"/weeks/{WEEK - 1}{more}")
        assert 'rel="next"' not in page(ana, f"/weeks/{WEEK}{more}")
        assert 'rel="next"' not in page(ana, f"/weeks/{WEEK + 9}{more}")
