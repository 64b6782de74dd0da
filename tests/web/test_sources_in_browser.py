"""A source's light in a real browser: it changes while one looks, and can be used by everybody in each of its states."""

import pytest
from flask import Flask
from playwright.sync_api import expect

from leaderboard import config as settings
from leaderboard.app import create_app
from leaderboard.database import Database
from tests.conftest import CONFIG
from tests.make import Clock, Company
from tests.web.test_admin import DEMO
from tests.web.test_browser import PATIENCE, PHONE, Opened, address, barriers, opened
from tests.web.test_hooks import SOURCES, send
from tests.web.test_sources import forge

__all__ = ["address", "opened"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def app(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(settings.read(CONFIG + SOURCES + DEMO), db, clock)


def test_the_light_turns_green_with_the_first_good_delivery_while_one_looks(
    opened: Opened, app: Flask, clock: Clock
) -> None:
    forge(app, clock, 2)
    page = opened("/admin/sources/standard", "ada", viewport=PHONE)
    light = page.locator("#light")
    expect(light).to_contain_text("2 were refused since")
    assert barriers(page) == []
    clock.forward(seconds=1)
    send(app)
    expect(light).to_contain_text("Feeds; last", timeout=PATIENCE)
    forge(app, clock)
    expect(light).to_contain_text("1 was refused since", timeout=PATIENCE)
    light.get_by_text("1 was refused since").first.click()
    expect(light.get_by_text("Another secret was pasted")).to_be_visible()
    for _ in range(2):
        with page.expect_response(lambda answer: answer.status == 304):
            pass
    expect(light.get_by_text("Another secret was pasted")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_freezing_and_fetching_the_past_need_no_script(opened: Opened, app: Flask) -> None:
    page = opened("/admin/sources/demo", "ada", viewport=PHONE, java_script_enabled=False)
    page.get_by_role("group").filter(has_text="Its deliveries wait").locator("summary").press("Enter")
    page.get_by_label("Why?").fill("They were broken into.")
    page.get_by_role("button", name="Yes, freeze it").press("Enter")
    expect(page.locator("#light-title")).to_contain_text("Frozen since")
    page.get_by_label("How many days back?").fill("90")
    page.get_by_role("button", name="Fetch them").press("Enter")
    expect(page.locator("#backfill")).to_contain_text("It waits: the source is frozen.")
    page.get_by_role("button", name="Stop").press("Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.get_by_role("button", name="Unfreeze").press("Enter")
    expect(page.locator(".trail li")).to_have_count(4)


def test_on_a_phone_what_needs_a_hand_comes_first_and_the_other_pages_are_a_menu(
    opened: Opened, app: Flask
) -> None:
    send(app, b"{")
    page = opened("/admin", "ada", viewport=PHONE)
    verdict = page.locator(".verdict").bounding_box()
    assert verdict is not None
    assert verdict["y"] < PHONE["height"] / 3
    page.locator("summary", has_text="Overview").click()
    menu = page.get_by_role("navigation", name="Administration")
    expect(menu.get_by_role("link")).to_have_count(7)
    assert barriers(page) == []
    menu.get_by_role("link", name="Deliveries").click()
    expect(page.locator(".tabs-fold > summary")).to_have_text("Administration: Deliveries")
