"""Invitations: asked for on a page, sent by the clock to a real mail server, and where their links lead."""

import html
import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import cast
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import config as settings
from leaderboard import invitations, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Invitation, Person
from tests.conftest import CONFIG, Mailbox
from tests.make import CAST, PASSWORD, Clock, Company
from tests.visitor import Visitor

Client = Callable[[str], Visitor]
NEW = {"password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def app(db: Database, company: Company, clock: Clock, smtp: Mailbox) -> Flask:
    """The company, of whom nobody ever came in but Ada, with a mail server."""
    with db.writing() as session:
        session.get_one(Person, company["ada"]).password = people.hash_password(PASSWORD)
        session.get_one(Person, company["ben"]).locale = "de"
    mail = f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n'
    return create_app(settings.read(CONFIG + mail), db, clock)


def tick(app: Flask) -> int:
    """The clock's job, once."""
    extensions = app.extensions
    return invitations.send_due(extensions["database"], extensions["config"], extensions["clock"])


def letter_to(smtp: Mailbox, address: str) -> str:
    (found,) = [
        message for message, to in zip(smtp.messages, smtp.recipients, strict=True) if to == [address]
    ]
    return cast("EmailMessage", found).get_content().replace("\r\n", "\n")


def link_in(text: str) -> str:
    """The path of the one link in a letter."""
    (found,) = re.findall(r"http://localhost(/invitation/\S+)", text)
    return str(found)


def link_of(app: Flask, db: Database, person: int) -> str:
    with db.reading() as session:
        owner = session.get_one(Person, person)
    return urlsplit(invitations.link(app.extensions["config"], owner, app.extensions["clock"]())).path


def test_an_invitation_is_read_in_ones_language_and_lets_one_in_once(
    app: Flask, client_of: Client, db: Database, smtp: Mailbox, visitor: Visitor
) -> None:
    ada = client_of("ada")
    assert "Invite 7 people" in ada.get("/admin/invitations").text
    ada.submit("/admin/invitations")
    assert smtp.messages == [], "the page does not wait for the mail server"
    assert tick(app) == 7
    assert len(smtp.messages) == 7
    text = letter_to(smtp, "ana@example.com")
    assert text.startswith("Hello Ana,\n\nAda would like to have you on Extra Mile.")
    assert not re.search(r"\n{4}", text)
    assert "Hallo Ben" in letter_to(smtp, "ben@example.com")
    way_in = link_in(text)
    assert "Welcome, Ana" in visitor.get(way_in).text
    assert visitor.submit(way_in, NEW).headers["Location"] == "/"
    assert visitor.get("/me").status_code == 200
    stranger = Visitor(app, app.response_class)
    assert stranger.get(way_in).status_code == 410
    assert (
        stranger.submit(
            way_in, {"password": "another one altogether", "again": "another one altogether"}
        ).status_code
        == 410
    )
    assert (
        stranger.submit("/sign-in", {"email": "ana@example.com", "password": PASSWORD}).headers["Location"]
        == "/"
    )
    page = ada.get("/admin/invitations").text
    assert "6 people have not come in yet" in page
    assert "ana@example.com" not in page
    with db.reading() as session:
        stored = session.exec(select(Invitation)).all()
    assert len(stored) == 6
    assert "/invitation/" not in " ".join(row.body for row in stored), "no link is kept"


def test_progress_is_shown_while_the_clock_sends_and_the_page_can_be_left(
    app: Flask, client_of: Client, smtp: Mailbox
) -> None:
    ada = client_of("ada")
    ada.submit("/admin/invitations", {"person": "ana"})
    page = ada.get("/admin/invitations").text
    assert "0 of 1 letters sent" in page
    assert 'hx-trigger="every 2s"' in page
    tick(app)
    page = ada.get("/admin/invitations").text
    assert "1 of 1 letters sent" in page
    assert "every 2s" not in page
    assert "Invite 6 people" in page


def test_a_mail_server_that_fails_is_tried_again_and_at_last_said(
    app: Flask, client_of: Client, smtp: Mailbox, clock: Clock, db: Database
) -> None:
    ada = client_of("ada")
    smtp.answer = "451 come again"
    ada.submit("/admin/invitations", {"person": "ana"})
    assert (tick(app), tick(app)) == (1, 0)
    clock.forward(minutes=1)
    smtp.answer = None
    assert tick(app) == 1
    assert len(smtp.messages) == 1
    smtp.answer = "550 nobody of that name"
    ada.submit("/admin/invitations", {"person": "ben"})
    tick(app)
    page = ada.get("/admin/invitations").text
    assert "could not be sent" in page
    assert "the mail server answered 550" in page
    assert "the mail server answered 550" in ada.get("/admin/invitations.csv").text
    smtp.answer = None
    ada.submit("/admin/invitations", {"person": "ben"})
    tick(app)
    assert "Hallo Ben" in letter_to(smtp, "ben@example.com")


def test_a_letter_whose_sender_died_goes_out_again_later(
    app: Flask, client_of: Client, smtp: Mailbox, clock: Clock, db: Database
) -> None:
    client_of("ada").submit("/admin/invitations", {"person": "ana"})
    claimed = invitations._claim_due(db, app.extensions["config"], clock)
    assert len(claimed) == 1
    assert tick(app) == 0, "it is another sender's for now"
    clock.forward(minutes=20)
    assert tick(app) == 1
    assert len(smtp.messages) == 1


def test_a_reminder_goes_to_all_who_are_still_outside_and_to_nobody_else(
    app: Flask, client_of: Client, smtp: Mailbox, db: Database, company: Company
) -> None:
    ada = client_of("ada")
    ada.submit("/admin/invitations")
    tick(app)
    Visitor(app, app.response_class).submit(link_of(app, db, company["ana"]), NEW)
    with db.writing() as session:
        people.deactivate(session, session.get_one(Person, company["dan"]), app.extensions["clock"]())
    ada.submit("/admin/invitations", {"do": "again"})
    smtp.recipients.clear()
    assert tick(app) == 5
    assert sorted(to for (to,) in smtp.recipients) == [
        f"{name}@example.com" for name in ("ben", "chris", "eve", "lea", "max")
    ]


def test_who_came_in_before_the_letter_went_out_gets_none(
    app: Flask, client_of: Client, smtp: Mailbox, db: Database, company: Company
) -> None:
    client_of("ada").submit("/admin/invitations", {"person": "ana"})
    Visitor(app, app.response_class).submit(link_of(app, db, company["ana"]), NEW)
    assert tick(app) == 0
    assert smtp.messages == []


def test_a_link_ends_with_its_two_weeks_with_the_address_and_with_leaving(
    app: Flask, visitor: Visitor, db: Database, company: Company, clock: Clock
) -> None:
    links = {name: link_of(app, db, company[name]) for name in CAST}
    assert visitor.get(links["ada"]).status_code == 410, "she has a password: that is changed by other means"
    with db.writing() as session:
        people.deactivate(session, session.get_one(Person, company["dan"]), clock())
        ana = session.get_one(Person, company["ana"])
        people.end_sessions(session, ana)
    for name in ("dan", "ana"):
        assert visitor.get(links[name]).status_code == 410, name
    assert visitor.get(links["ben"]).status_code == 200
    for wrong in (links["ben"][:-1], links["ben"] + "x", "/invitation/x", "/invitation/WzFd.x"):
        assert visitor.submit(wrong, NEW).status_code == 410, wrong
    clock.forward(days=14, seconds=1)
    assert visitor.submit(links["ben"], NEW).status_code == 410
    with db.reading() as session:
        assert session.get_one(Person, company["ben"]).password is None


def test_a_password_that_is_too_short_is_said_and_sets_nothing(
    app: Flask, visitor: Visitor, db: Database, company: Company
) -> None:
    page = visitor.submit(link_of(app, db, company["ben"]), {"password": "short", "again": "short"}).text
    assert 'id="password-error"' in page
    with db.reading() as session:
        assert session.get_one(Person, company["ben"]).password is None


def test_without_a_mail_server_links_are_handed_over(db: Database, company: Company, clock: Clock) -> None:
    app = create_app(settings.read(CONFIG), db, clock)
    ada, ana = (Visitor(app, app.response_class) for _ in range(2))
    ada.sign_in(company["ada"])
    page = ada.get("/admin/invitations").text
    assert "No mail server is set up" in page
    assert "Invite" not in re.sub(r"Invitations?|invitations?", "", page.partition("<main")[2])
    assert ada.submit("/admin/invitations").status_code == 404
    shown = ada.submit("/admin/invitations/links").text
    assert shown.count("http://localhost/invitation/") == len(CAST)
    mine = re.search(r'value="http://localhost([^"]+)" aria-label="Link for Ana"', shown)
    assert mine is not None
    assert ana.submit(html.unescape(mine[1]), NEW).headers["Location"] == "/"


def test_where_nobody_has_a_password_the_letter_leads_to_the_companys_own_sign_in(
    db: Database, company: Company, clock: Clock, smtp: Mailbox
) -> None:
    mail = f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n[sign_in]\npasswords = false\n'
    app = create_app(settings.read(CONFIG + mail), db, clock)
    ada = Visitor(app, app.response_class)
    ada.sign_in(company["ada"])
    ada.submit("/admin/invitations", {"person": "ana"})
    tick(app)
    text = letter_to(smtp, "ana@example.com")
    assert "\nhttp://localhost\n" in text
    assert "password" not in text
    assert ada.get(link_of(app, db, company["ana"])).status_code == 404
