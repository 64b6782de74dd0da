"""A new company in a real browser, on the real server and its clock: from nothing to the first story and delivery."""

import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Mailbox
from tests.make import PASSWORD
from tests.served import Served
from tests.web.test_browser import DESK, PATIENCE, PHONE
from tests.web.test_story_in_browser import WORDS

TABLE = """\
Name\tE-Mail\tTeam\tRolle
Lea Brandt\tlea@example.com\tFront Desk\tTeamleitung
Ana Kovač\tana@example.com\tFront Desk\t
Ben Okafor\tben@example.com\tFront Desk\t
Mina Haddad\tmina@example.com\tWorkshop\t
Tomás Rey\ttomas@example.com\tWorkshop\tTeamleitung
"""


@pytest.fixture
def fresh(tmp_path: Path, smtp: Mailbox) -> Iterator[Served]:
    """`leaderboard run` as on the first day: a database that does not exist yet, the clock, a source, a mail server."""
    mail = f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n'
    with Served(tmp_path, f"sqlite:///{tmp_path / 'new.db'}", mail, options=()) as server:
        yield server


@pytest.fixture
def someone(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`someone(address)`: the page in a browser of their own."""
    contexts = []

    def open_it(address: str, **how: object) -> Page:
        context = browser.new_context(viewport=DESK, **how)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()


def come_in(page: Page) -> None:
    """Choose a password where an invitation led to."""
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("Your password holds.")).to_be_visible()


def barriers(page: Page) -> list[str]:
    """What axe finds on this page, and whether it is too wide, on a phone."""
    page.set_viewport_size(PHONE)
    page.evaluate(Axe().axe_script)
    found = [one["id"] for one in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size(DESK)
    return found + ["too wide"] * wide


def test_from_the_empty_install_to_the_first_story_and_the_first_delivery(
    fresh: Served, someone: Callable[..., Page], smtp: Mailbox
) -> None:
    shown = re.search(r"http://\S+/first-run\?token=\S+", (fresh.folder / "server.log").read_text("utf-8"))
    assert shown is not None, "the console says where the first admin comes in"
    nora = someone(shown[0])
    assert barriers(nora) == []
    nora.get_by_label("Your name").fill("Nora Lund")
    nora.get_by_label("Your e-mail address").fill("nora@example.com")
    nora.get_by_label("Your team").fill("Front Desk")
    nora.get_by_label("Password", exact=True).fill(PASSWORD)
    nora.get_by_label("Password, once more").fill(PASSWORD)
    nora.get_by_role("button", name="Begin").click()
    expect(nora.locator("[aria-current=step]")).to_contain_text("Bring your people")

    nora.get_by_role("link", name="Paste a table").click()
    nora.get_by_label("Your table").fill(TABLE)
    nora.get_by_role("button", name="Show what it would do").click()
    expect(nora.get_by_text("Tomás Rey <tomas@example.com>, Workshop, lead")).to_be_visible()
    button = nora.get_by_role("button", name="Import")
    wide = button.evaluate("""button => {
      addEventListener("submit", () => { sessionStorage.seen = [button.ariaBusy, button.innerText, button.offsetWidth]; });
      return button.offsetWidth;
    }""")
    button.click()
    nora.get_by_role("link", name="Invite them").click()
    assert nora.evaluate("sessionStorage.seen") == f"true,Importing …,{wide}", (
        "it shows that it works, and nothing moves"
    )
    nora.get_by_role("button", name="Invite 5 people").click()
    expect(nora.get_by_text("5 of 5 letters sent")).to_be_visible(timeout=PATIENCE)
    links = {
        to[0]: re.findall(rf"{fresh.url}/invitation/\S+", cast("EmailMessage", message).get_content())[0]
        for message, to in zip(smtp.messages, smtp.recipients, strict=True)
    }
    assert len(links) == 5

    ana = someone(links["ana@example.com"])
    assert barriers(ana) == []
    come_in(ana)
    expect(ana.get_by_text("No story has been told yet")).to_be_visible()
    ana.goto(f"{fresh.url}/nominate?for=ben-okafor")
    ana.get_by_text("They did more than anyone could have asked for.").click()
    ana.get_by_label("What happened, and for whom?").fill(WORDS)
    ana.get_by_role("button", name="Tell the story").click()
    expect(ana.get_by_text("Thank you for telling it.")).to_be_visible()

    lea = someone(links["lea@example.com"])
    come_in(lea)
    lea.goto(f"{fresh.url}/lead")
    lea.get_by_role("button", name="Accept").click()
    expect(lea.get_by_text("Your desk is clear")).to_be_visible()
    ana.goto(fresh.url)
    expect(ana.locator(".standing").first).to_contain_text("Ben Okafor")

    nora.goto(f"{fresh.url}/admin/first-steps")
    expect(nora.get_by_text("4 of 6 done")).to_be_visible()
    nora.get_by_role("button", name="Send a test: Demo Desk").click()
    expect(nora.get_by_text("signed, checked and taken in")).to_be_visible()
    nora.goto(f"{fresh.url}/admin")
    expect(nora.get_by_text("All is well")).to_be_visible()
    expect(nora.get_by_role("link", name="Next: invite them")).not_to_be_visible()
    expect(nora.get_by_role("link", name="Next: name a channel")).to_be_visible()
