"""Passkeys in a real browser, with an authenticator made of software, under our own content security policy."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.serving import make_server

from leaderboard.database import Database
from leaderboard.tables import Person
from tests.make import Company
from tests.visitor import Visitor

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the product is served for as long as the test runs."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser: Browser, address: str, client_of: Callable[[str], Visitor]) -> Iterator[Page]:
    """Ana's browser, signed in, on a device that keeps passkeys. What the console complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context()
    cookie = client_of("ana").get_cookie("extra_mile")
    assert cookie is not None
    context.add_cookies([{"name": "extra_mile", "value": cookie.value, "url": address}])
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    device(context, page)
    yield page
    context.close()
    assert complaints == []


def device(context: BrowserContext, page: Page) -> None:
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def test_a_passkey_is_made_signs_in_confirms_and_is_removed(
    page: Page, address: str, db: Database, company: Company
) -> None:
    page.goto(f"{address}/me/passkeys")
    page.get_by_label("What you call this device").fill("my phone")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/me/security")
    expect(page.get_by_text("The passkey “my phone” is ready.")).to_be_visible()

    page.get_by_label("Menu", exact=False).first.click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    page.goto(f"{address}/sign-in?next=/me")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/me")

    page.goto(f"{address}/me/confirm?next=/me/security")
    page.get_by_role("button", name="Confirm with a passkey").click()
    page.wait_for_url("**/me/security")
    expect(page.get_by_text("Thank you.")).to_be_visible()

    page.get_by_text("Remove", exact=True).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("The passkey “my phone” is gone.")).to_be_visible()
    with db.reading() as work:
        ana = work.get_one(Person, company["ana"])
        assert ana.webauthn == []
        assert ana.fs_webauthn_user_handle


def test_a_passkey_that_is_not_known_here_says_so(page: Page, address: str, db: Database) -> None:
    page.goto(f"{address}/me/passkeys")
    page.get_by_label("What you call this device").fill("old phone")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/me/security")
    page.get_by_text("Remove", exact=True).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("is gone")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{address}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("This passkey is not known here.")).to_be_visible()
