"""Three journeys in a real browser: nominate to board, webhook to board, week to announcement."""

import json
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import cast

import httpx
import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from leaderboard import announcements, config
from leaderboard.app import create_app
from leaderboard.database import Database
from tests.conftest import CONFIG, Mailbox
from tests.make import Clock, Company
from tests.test_recognition import MONDAY
from tests.web.test_browser import PATIENCE, PHONE, address, opened
from tests.web.test_hooks import FACT, SOURCES, signed
from tests.web.test_story_in_browser import WORDS
from tests.web.test_weeks import week

__all__ = ["address", "opened", "week"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Opened = Callable[..., Page]


@pytest.fixture
def app(db: Database, company: Company, clock: Clock, smtp: Mailbox) -> Flask:
    """The product with a helpdesk and a mail server."""
    mail = f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n'
    return create_app(config.read(CONFIG + SOURCES + mail), db, clock)


def test_from_a_nomination_to_everybodys_board(opened: Opened) -> None:
    board = opened("/", "chris")
    expect(board.get_by_text("opens the board")).to_be_visible()

    told = opened("/nominate?for=ben", "ana", viewport=PHONE)
    told.locator(".guideline-choice", has_text="Above and beyond").click()
    told.get_by_label("What happened, and for whom?").fill(WORDS)
    told.get_by_role("button", name="Tell the story").click()
    expect(told.get_by_text("Thank you for telling it.")).to_be_visible()

    desk = opened("/lead", "lea")
    expect(desk.locator(".desk").first).to_contain_text(WORDS)
    desk.get_by_role("button", name="Accept").click()
    expect(desk.get_by_text("Your desk is clear")).to_be_visible()

    expect(board.locator(".standing").first).to_contain_text("Ben", timeout=PATIENCE)
    expect(board.locator(".standing").first).to_contain_text("10")
    board.get_by_role("link", name="A new story has been told").click()
    expect(board.locator("article.story").first).to_contain_text(WORDS)


def test_from_a_customers_thanks_at_the_helpdesk_to_the_open_page(opened: Opened, app: Flask) -> None:
    page = opened("/", "chris")
    expect(page.get_by_text("opens the board")).to_be_visible()
    body = json.dumps(FACT).encode()
    hook = page.url.rstrip("/") + "/hooks/standard"
    assert httpx.post(hook, content=body, headers=signed(app, body)).status_code == 202
    first = page.locator(".standing").first
    expect(first).to_contain_text("Ana", timeout=PATIENCE)
    expect(first).to_contain_text("8")
    first.get_by_role("link", name="8 points").click()
    expect(page.locator("#points")).to_contain_text("A customer's thanks")
    page.goto(page.url.partition("/people")[0] + "/people/ana")
    expect(page.get_by_text("She found our luggage!")).to_be_visible()


@pytest.mark.usefixtures("week")
def test_from_the_end_of_a_week_to_its_announcement_in_the_mail(
    opened: Opened, app: Flask, db: Database, clock: Clock, smtp: Mailbox
) -> None:
    clock.at(MONDAY - timedelta(hours=2))
    page = opened("/lead/team/care/channels", "lea")
    page.get_by_text("E-mail", exact=True).click()
    page.get_by_label("What you call it").fill("Everybody")
    page.get_by_label("Its address").fill("all@example.com")
    page.get_by_role("button", name="Keep this channel").click()
    expect(page.get_by_text("The channel is kept.")).to_be_visible()

    page.goto(page.url.partition("/lead")[0] + "/lead/weeks/care/2026-W47")
    expect(page.get_by_text("The week has ended and closes soon")).to_be_visible()
    page.get_by_text("Close it now", exact=True).click()
    page.get_by_role("button", name="Freeze the numbers").click()
    expect(page.locator(".winner")).to_contain_text("Ana")
    page.get_by_label("Your words above the winners").fill("What a week.")
    page.get_by_label("What to say about Ana").fill("She found the shirt.")
    page.get_by_role("button", name="Announce").click()
    expect(page.get_by_text("Announced. The page of the week stays")).to_be_visible()
    expect(page.locator(".winner")).to_contain_text("She found the shirt.")

    clock.forward(seconds=60)  # so long it can be called back
    assert announcements.deliver_due(db, app.extensions["config"], clock) == 1
    (message,) = smtp.messages
    text = cast("EmailMessage", message).get_content()
    assert "What a week." in text
    assert "She found the shirt." in text
    page.goto(page.url.partition("/weeks")[0] + "/lead/weeks/care/2026-W47")
    expect(page.get_by_text("Everybody: Sent")).to_be_visible()
