"""The face in a real browser: it moves by itself, breaks no rule of its own policy, and everybody can use it."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from jinja2 import nodes
from playwright.sync_api import Browser, Page, ViewportSize, expect
from werkzeug.serving import make_server

from leaderboard.database import Database
from leaderboard.web import styleguide
from tests.make import Company
from tests.test_ledger import take_in, thanks
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_home import change, tell

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1440, height=900)
Opened = Callable[..., Page]


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
def opened(browser: Browser, address: str, client_of: Callable[[str], Visitor]) -> Iterator[Opened]:
    """`opened("/people", "ana")`: the page in a browser of Ana's. What its console complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: str, handle: str = "ana", **look: object) -> Page:
        context = browser.new_context(**{"viewport": DESK, **look})  # type: ignore[arg-type]
        contexts.append(context)
        cookie = client_of(handle).get_cookie("extra_mile")
        assert cookie is not None
        context.add_cookies([{"name": "extra_mile", "value": cookie.value, "url": address}])
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in complaints if "404 (NOT FOUND)" not in text] == []


@pytest.fixture
def some_history(db: Database, company: Company) -> None:
    tell(db, company, "ana", "ben", guideline="above-and-beyond")
    tell(db, company, "ben", "dan", guideline="relationships")
    give(db, ana=7, ben=6, chris=5, dan=4, eve=3, max=2, lea=1)


def test_every_component_is_open_to_everybody_in_every_state(app: Flask, opened: Opened) -> None:
    """The other halves of what test_accessibility.py looks at on every page."""
    app.register_blueprint(styleguide.blueprint)
    for screen, scheme in ((PHONE, "dark"), (DESK, "light")):
        page = opened("/styleguide", viewport=screen, color_scheme=scheme)
        assert page.locator("article.story").count() == 5
        assert barriers(page) == [], (screen, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


@pytest.mark.parametrize("library", ["components.html", "charts.html"])
def test_every_shared_macro_stands_on_the_styleguide(app: Flask, library: str) -> None:
    """By itself, or in another that does."""
    env = app.jinja_env
    calls = {}
    for name in (library, "styleguide.html"):
        tree = env.parse(env.loader.get_source(env, name)[0])
        for part in [*tree.find_all(nodes.Macro), tree]:
            called = {
                at for call in part.find_all(nodes.Call) for at in (call.node, *call.args)
            }  # drawn() is given one
            named = {node.name for node in called if isinstance(node, nodes.Name)}
            calls[getattr(part, "name", name)] = named | {
                node.attr for node in called if isinstance(node, nodes.Getattr)
            }
    macros = set(calls) - {library, "styleguide.html"}
    shown = calls["styleguide.html"] & macros
    while more := set().union(*(calls[name] for name in shown)) & macros - shown:
        shown |= more
    assert macros - shown == set()


def barriers(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds, with the elements."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


@pytest.mark.usefixtures("some_history")
def test_whatever_one_touches_is_large_enough_for_a_thumb(opened: Opened) -> None:
    page = opened("/", viewport=PHONE, has_touch=True)
    small = page.eval_on_selector_all(
        "button, .btn, select, summary, .bottom-link, .tabs a, .standing a",
        "all => all.filter(one => one.getBoundingClientRect().height && one.getBoundingClientRect().height < 43.5)"
        ".map(one => one.outerHTML.slice(0, 80))",
    )
    assert small == []


PATIENCE = 30_000
"""Milliseconds; how soon the page asks is written in app.js, and how soon a busy machine answers proves nothing."""


def test_the_open_board_moves_by_itself_and_keeps_its_place(
    opened: Opened, db: Database, company: Company, clock: object
) -> None:
    give(db, ana=2, ben=1)
    page = opened("/", "chris")
    first = page.locator(".standing .person").first
    expect(first).to_contain_text("Ana")
    first.focus()
    take_in(db, *(thanks(200 + n, n, "ben@example.com") for n in range(3)))
    expect(first).to_contain_text("Ben", timeout=PATIENCE)
    expect(page.locator(".standing .person", has_text="Ana")).to_be_focused()
    assert page.locator(".board").count() == 1
    script = page.evaluate("fetch(document.querySelector('script[src*=app]').src).then(file => file.text())")
    assert "const PAUSE = 1000;" in script  # asked every second, it moves within two


def test_an_open_page_offers_the_new_story_and_never_moves_what_is_being_read(
    opened: Opened, db: Database, company: Company
) -> None:
    tell(db, company, "ana", "ben")
    page = opened("/", "chris")
    before = page.locator(".story").first.bounding_box()
    uid = tell(db, company, "ben", "dan")
    link = page.get_by_role("link", name="A new story has been told")
    expect(link).to_be_visible(timeout=PATIENCE)
    assert page.locator(f"#story-{uid}").count() == 0
    assert page.locator(".story").first.bounding_box() == before
    link.click()
    expect(page.locator(f"#story-{uid}")).to_be_visible()


def test_a_co_sign_lands_where_one_reads(opened: Opened, db: Database, company: Company) -> None:
    uid = tell(db, company, "ana", "ben")
    page = opened("/", "chris")
    story = page.locator(f"#story-{uid}")
    story.get_by_role("button", name="I saw it too").click()
    expect(story).to_contain_text("You saw it too")
    assert page.url.endswith("/")
    expect(page.locator(".standing").first).to_contain_text("11", timeout=PATIENCE)


def test_a_page_nobody_looks_at_asks_for_nothing(opened: Opened, db: Database, company: Company) -> None:
    page = opened("/")
    page.evaluate("Object.defineProperty(document, 'visibilityState', {get: () => 'hidden'})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert [url for url in asked if "/board" in url] == []


def test_the_bell_rings_on_every_page_that_somebody_looks_at(
    opened: Opened, db: Database, company: Company
) -> None:
    page = opened("/people")
    page.clock.install()
    page.reload()
    bell = page.locator(".bell-count")
    expect(bell).to_have_count(0)
    change(db, company, "ana", unread=1)
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => 'hidden'})"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    assert asked == []
    page.evaluate("delete document.visibilityState")
    page.clock.fast_forward(20_000)
    expect(bell).to_have_text("1", timeout=PATIENCE)
    change(db, company, "ana", unread=2)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(bell).to_have_text("2", timeout=PATIENCE)


def test_no_news_costs_a_304_without_a_body(opened: Opened) -> None:
    page = opened("/")
    with page.expect_response(re.compile("/board")) as waited:
        pass
    assert waited.value.status == 304


def test_the_look_follows_the_device_until_one_chooses(opened: Opened) -> None:
    page = opened("/people", color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Light").click()
    page.wait_for_url("**/people")
    light = page.evaluate(background)
    assert light != dark
    assert page.locator("html").get_attribute("data-bs-theme") == "light"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == light


@pytest.mark.usefixtures("some_history")
def test_everything_here_works_without_javascript(opened: Opened) -> None:
    page = opened("/", java_script_enabled=False)
    page.get_by_label("Guideline", exact=True).select_option("above-and-beyond")
    page.get_by_role("button", name="Show").click()
    assert "guideline=above-and-beyond" in page.url
    expect(page.locator(".standing")).to_have_count(1)
    page.get_by_role("link", name="Month").click()
    assert "guideline=above-and-beyond" in page.url
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


@pytest.mark.usefixtures("some_history")
def test_a_filter_shows_its_result_at_once(opened: Opened) -> None:
    page = opened("/")
    page.get_by_label("Team", exact=True).select_option("shop")
    page.wait_for_url("**team=shop**")
    expect(page.locator(".standing").first).to_contain_text("Dan")


def test_the_keyboard_reaches_the_content_and_leaves_the_menu(opened: Opened) -> None:
    page = opened("/people")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    summary = page.locator(".menu > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".menu-panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-panel")).to_be_hidden()
    expect(summary).to_be_focused()


@pytest.mark.usefixtures("some_history")
def test_on_paper_there_are_stories_and_no_buttons(opened: Opened) -> None:
    page = opened("/")
    page.emulate_media(media="print")
    expect(page.locator(".story").first).to_be_visible()
    expect(page.locator(".top-bar")).to_be_hidden()
    expect(page.locator(".co-sign-button").first).to_be_hidden()
