"""The lead's Monday in a real browser: on a phone, by keyboard, without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.make import Company
from tests.web.test_browser import PHONE, address, opened
from tests.web.test_weeks import closed, week

__all__ = ["address", "closed", "opened", "week"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Opened = Callable[..., Page]


def test_a_lead_replaces_a_winner_finds_words_and_announces_on_a_phone(
    closed: int, opened: Opened, company: Company
) -> None:
    page = opened("/lead/weeks", "lea", viewport=PHONE, java_script_enabled=False)
    expect(page).to_have_url(re.compile(r"/lead/weeks/care/2026-W47$"))
    page.get_by_text("Replace", exact=True).press("Enter")
    page.get_by_label("Who instead?").select_option("Ben (10 points)")
    page.get_by_label("Why?").first.fill("Ana asked to pass it on.")
    page.get_by_role("button", name="Do it").press("Enter")
    expect(page.locator(".winner")).to_contain_text("Ben")

    page.get_by_label("Your words above the winners").fill("What a week.")
    page.get_by_label("What to say about Ben").fill("He went back for the shirt.")
    page.get_by_role("button", name="Keep and preview").press("Enter")
    preview = page.locator(".message-text").inner_text()
    assert "What a week." in preview
    assert "He went back for the shirt." in preview

    page.get_by_role("button", name="Announce").press("Enter")
    expect(page).to_have_url(re.compile(r"/weeks/2026-W47\?team=care$"))
    expect(page.locator(".winner")).to_contain_text("He went back for the shirt.")
    expect(page.get_by_text("Announced. The page of the week stays")).to_be_visible()
