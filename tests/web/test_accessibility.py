"""Everybody can use every page: axe finds nothing (WCAG 2.2 AA) as anybody, in light and dark, and nothing is too wide.

The walk takes its pages from the routes, so a new one is looked at by itself. A page is looked at in another role when it shows
that one something more: an element, a class or a control that it did not have before.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page

from tests.web.test_browser import DESK, PHONE, address
from tests.web.world import HALFWAY, World, world

__all__ = ["address", "world"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EVERY_RULE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
TOO_SMALL = """() => [...document.querySelectorAll("a[href], button, summary, select, textarea, input:not([type=hidden])")]
  .filter((thing) => !(thing.tagName === "A" && getComputedStyle(thing).display === "inline"))
  .map((thing) => [thing.outerHTML.slice(0, 120), (thing.closest("label") ?? thing).getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && box.height > 1 && (box.width < 43.5 || box.height < 43.5))
  .map(([html, box]) => [html, Math.round(box.width), Math.round(box.height)])
"""
"""What a thumb cannot hit: less than 44 px. A link in a sentence is as high as its line, a tick as large as its label."""
UNSEEN_FOCUS = """() => [...document.querySelectorAll("a[href], button, summary, select, textarea, input:not([type=hidden])")]
  .filter((thing) => thing.checkVisibility({visibilityProperty: true}) && !thing.disabled)
  .filter((thing) => {
    thing.focus({focusVisible: true});
    const look = getComputedStyle(thing);
    return document.activeElement === thing && (look.outlineStyle === "none" || parseFloat(look.outlineWidth) < 2);
  })
  .map((thing) => [thing.outerHTML.slice(0, 120)])
"""
"""What shows no outline while it has the focus."""
BESIDES = (
    "/?team=shop&period=year",
    "/nominate?for=ben",
    "/insights?team=_joined&weeks=52",
    "/people/lea",
    "/people/ana",
    "/stories?order=loved",
    "/stories/{waiting}",
    "/stories/{waiting}/edit",
    "/weeks/2026-W47?team=care",
    "/weeks/2026-W48?team=care",
    "/lead/weeks/shop/2026-W47",
    "/lead/weeks/care/2026-W48",
    "/admin/deliveries?state=failed",
    "/admin/deliveries/3",
    "/nowhere",
)
"""The same pages in other states."""


NO_PAGES = {
    "first_run.begin": "no page as soon as somebody is here; tests/web/test_newcomer.py looks at it before",
    "home.board": "a part of the home page, which has it",
    "notices.bell": "a part of every page, which has it",
    "notices.opened": "sends on to what the notice is about",
    "pages.manifest": "read by browsers, not by people; tests/web/test_installed.py",
    "search.palette": "a part of every page: tests/web/test_search.py opens it",
    "search.found": "a part of the palette",
    "search.my_page": "sends on to one's own page",
    "stories.find": "a part of the form",
    "stories.edit": "of an accepted story: it is among BESIDES of one that waits",
    "security.wan_delete": "sends on to the page that has the form",
    "security.tf_select": "sends on: there is one method to choose",
    "single_sign_on.start": "sends on to the provider",
    "single_sign_on.back": "sends on to where one wanted to be",
}
"""What no page comes from, and why."""


def is_page(path: str) -> bool:
    """Whether an address is for people: not for programs, and no file."""
    return not path.startswith(("/api/", "/hooks/", "/healthz", "/metrics")) and not path.endswith(
        (".csv", "/picture")
    )


def pages(world: World, handle: str | None, seen: dict[str, set[str]]) -> Iterator[str]:
    """The addresses of the pages that this person may open, but those that show nothing which others did not see there."""
    besides = [path.format(**world.names) for path in BESIDES]
    for path in [*(path for _rule, path in world.routes("GET") if is_page(path)), *besides]:
        if handle == HALFWAY and not path.startswith("/sign-in"):
            continue
        answer = world.get(handle, path)
        if answer.status_code == (404 if path == "/nowhere" else 200) and "<main" in answer.text:
            shapes = set(re.findall(r'<\w+(?: [\w-]+="[\w -]*")?', answer.text.partition("<main")[2]))
            if shapes - seen.get(path, set()):
                seen[path] = seen.get(path, set()) | shapes
                yield path


@pytest.fixture
def app(world: World) -> Flask:
    return world.app


def test_every_page_is_open_to_everybody_in_light_and_dark(
    world: World, browser: Browser, address: str
) -> None:
    seen: dict[str, set[str]] = {}
    looked_at: list[str] = []
    barriers: list[tuple[object, ...]] = []
    for handle in (None, HALFWAY, "ana", "lea", "ada"):
        context = browser.new_context(reduced_motion="reduce")  # colours change at once
        visitor = world.visitor(handle)
        visitor.get("/healthz" if handle == HALFWAY else "/sign-in")
        cookie = visitor.get_cookie("extra_mile")
        assert cookie is not None
        context.add_cookies([{"name": "extra_mile", "value": cookie.value, "url": address}])
        page = context.new_page()
        for path in pages(world, handle, seen):
            looked_at.append(path)
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(PHONE)
            page.goto(address + path)
            barriers += [(path, handle, "light", *found) for found in found_by_axe(page, EVERY_RULE)]
            barriers += [(path, "too wide for a phone")] * too_wide(page)
            barriers += [(path, "too small for a thumb", *found) for found in page.evaluate(TOO_SMALL)]
            barriers += [(path, "focus is not seen", *found) for found in page.evaluate(UNSEEN_FOCUS)]
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size(DESK)
            barriers += [(path, handle, "dark", *found) for found in found_by_axe(page, COLOURS)]
            barriers += [(path, "too wide for a desk")] * too_wide(page)
        context.close()
    assert not barriers, "\n".join(map(str, barriers))
    missed = {rule.endpoint for rule, path in world.routes("GET") if path not in looked_at and is_page(path)}
    assert missed == set(NO_PAGES)


def found_by_axe(page: Page, options: dict[str, Any]) -> list[tuple[str, list[str]]]:
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(Axe().axe_script)
    violations = page.evaluate("options => axe.run(options)", options)["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in violations]


def too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
