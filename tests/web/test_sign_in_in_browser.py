"""Signing in with a real browser under our content security policy: second factor, recovery codes, single sign-on.

Passkeys have a file of their own.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from leaderboard import config, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person
from tests.conftest import CONFIG
from tests.make import PASSWORD, Clock, Company
from tests.test_secrets import code_of
from tests.web.test_single_sign_on import known_as, provider

__all__ = ["provider"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser of its own; what its console complains of on our pages fails the test."""
    complaints: list[str] = []
    context = browser.new_context()
    page = context.new_page()

    def ours() -> bool:
        return page.url.startswith("http://localhost:")

    page.on("console", lambda said: said.type == "error" and ours() and complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@contextmanager
def served(db: Database, clock: Clock, port: int, more: str = "") -> Iterator[str]:
    """The product at http://localhost:`port`, which is also its public address."""
    address = f"http://localhost:{port}"
    app: Flask = create_app(config.read(CONFIG.replace("http://localhost", address) + more), db, clock)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def give_password(db: Database, company: Company) -> None:
    stored = people.hash_password(PASSWORD)
    with db.writing() as work:
        work.get_one(Person, company["ana"]).password = stored


def by_password(page: Page, address: str) -> None:
    page.goto(f"{address}/sign-in?next=/me/security")
    page.get_by_label("E-mail address").fill("ana@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_label("Menu", exact=False).first.click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")


def test_a_second_factor_is_set_up_asked_for_and_replaced_by_a_recovery_code(
    page: Page, db: Database, company: Company, clock: Clock, free_port: int
) -> None:
    give_password(db, company)
    with served(db, clock, free_port) as address:
        by_password(page, address)
        page.wait_for_url("**/me/security")
        page.get_by_role("link", name="Set it up").click()
        page.get_by_role("button", name="Set it up").click()
        picture = page.get_by_alt_text("QR code for your authenticator app")
        assert picture.evaluate("picture => picture.complete && picture.naturalWidth > 0")
        key = page.locator("code").inner_text()
        page.get_by_label("Code from your app").fill("000000")
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("This code", exact=False).first).to_be_visible()
        page.goto(f"{address}/me/second-factor")
        page.get_by_role("button", name="Set it up").click()
        key = page.locator("code").inner_text()
        page.get_by_label("Code from your app").fill(code_of(key, -1))
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("Your second factor is on.")).to_be_visible()
        page.get_by_role("link", name="Recovery codes").click()
        page.get_by_role("button", name="Make new codes").click()
        codes = page.locator(".codes code").all_inner_texts()
        assert len(codes) == 8

        sign_out(page)
        by_password(page, address)
        page.wait_for_url("**/sign-in/code**")
        page.get_by_label("Code from your app").fill(code_of(key))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/me/security")

        sign_out(page)
        by_password(page, address)
        page.get_by_role("link", name="Use a recovery code instead").click()
        page.get_by_label("Recovery code").fill(codes[3])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/me/security")
        expect(page.get_by_text("7 recovery codes are left.")).to_be_visible()


def test_single_sign_on_goes_to_the_provider_and_comes_back(
    page: Page, db: Database, company: Company, clock: Clock, free_port: int, provider: str
) -> None:
    known_as(provider, "browser-1", email="ana@example.com", email_verified=True, name="Ana")
    known_as(provider, "browser-2", email="stranger@example.com", email_verified=True, name="Nobody")
    section = (
        f'[sign_in.oidc]\nname = "Acme ID"\nissuer = "{provider}"\nclient_id = "em"\nclient_secret = "s"\n'
    )
    with served(db, clock, free_port, section) as address:
        page.goto(f"{address}/me")
        page.get_by_role("link", name="Acme ID").click()
        assert page.url.startswith(provider)
        page.locator("input[name=sub]").first.fill("browser-1")
        page.locator("button[type=submit], input[type=submit]").first.click()
        expect(page).to_have_url(re.compile(rf"^{address}/me$"))
        expect(page.get_by_role("textbox", name="Name")).to_have_value("Ana")

        sign_out(page)
        page.get_by_role("link", name="Acme ID").click()
        page.locator("input[name=sub]").first.fill("browser-2")
        page.locator("button[type=submit], input[type=submit]").first.click()
        page.wait_for_url("**/sign-in")
        expect(page.get_by_text("Nobody here has your address.", exact=False)).to_be_visible()
