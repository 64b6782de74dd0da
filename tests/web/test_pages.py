"""What every page shares."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import nodes

from leaderboard.web import pages
from tests.visitor import Visitor

Client = Callable[[str], Visitor]
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ana Lima", "AL"),
        ("Ana Maria da Lima", "AL"),
        ("Cher", "C"),
        ("  josé  ", "J"),
        ("李 小龙", "李小"),
        ("Ana (Front desk)", "AD"),
        ("--- !!!", "?"),
        ("", "?"),
    ],
)
def test_initials_are_one_or_two_letters_of_the_name(name: str, letters: str) -> None:
    assert pages.initials(name) == letters


def test_a_person_keeps_their_colour() -> None:
    assert pages.tint("ana") == pages.tint("ana")
    assert {pages.tint(f"person-{number}") for number in range(200)} == set(range(pages.TINTS))


def test_machines_read_utc_to_the_second() -> None:
    assert pages.iso(datetime(2026, 11, 20, 14, 5, 7, 999, tzinfo=UTC)) == "2026-11-20T14:05:07Z"


def test_every_avatar_colour_has_a_rule_in_the_style_sheet() -> None:
    css = (pages.STATIC / "app.css").read_text("utf-8")
    assert {int(number) for number in re.findall(r"^\.tint-(\d+) ", css, re.MULTILINE)} == set(
        range(pages.TINTS)
    )


def test_every_icon_a_template_names_is_in_the_sprite() -> None:
    sprite = (pages.STATIC / "vendor" / "icons.svg").read_text("utf-8")
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named: set[str] = {guideline.icon for guideline in pages.BY_SLUG.values()}
    for template in (ROOT / "templates").rglob("*.html"):
        named |= set(re.findall(r"""icon\("([a-z0-9-]+)"\)""", template.read_text("utf-8")))
    assert named - there == set()


def test_no_template_holds_a_script_or_a_style_that_the_policy_would_refuse() -> None:
    for template in sorted((ROOT / "templates").rglob("*.html")):
        text = template.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\ssrc=)", text), template.name


# --- headers, appearance, language --------------------------------------------------------------------------


def test_every_page_has_the_strict_policy_and_is_not_kept(client_of: Client) -> None:
    for path in ("/", "/people", "/people/ana", "/nowhere"):
        headers = client_of("ana").get(path).headers
        assert headers["Content-Security-Policy"] == pages.POLICY
        assert "unsafe" not in pages.POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"].startswith("private, no-")


def test_signing_out_empties_what_the_browser_kept(client_of: Client) -> None:
    ana = client_of("ana")
    assert "Clear-Site-Data" not in ana.get("/").headers
    assert ana.submit("/sign-out").headers["Clear-Site-Data"] == '"cache"'
    assert ana.get("/").status_code == 302


def test_files_are_kept_for_a_year_under_an_address_that_changes_with_them(visitor: Visitor) -> None:
    page = visitor.get("/nowhere").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"#]+)"', page)
    assert len(addresses) > 5
    for address in addresses:
        with visitor.get(address) as answer:
            assert answer.status_code == 200, address
            assert ("immutable" in answer.headers["Cache-Control"]) is ("?v=" in address)


@pytest.mark.parametrize(
    ("theme", "shown"), [("dark", "dark"), ("light", "light"), ("", None), ("purple", None)]
)
def test_a_chosen_look_is_on_the_next_page_and_in_the_next_browser(
    client_of: Client, theme: str, shown: str | None
) -> None:
    answer = client_of("ana").submit("/appearance", {"theme": theme, "back": "/people"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/people")
    expected = f'data-bs-theme="{shown}"' if shown else None
    page = client_of("ana").get("/people").text  # another browser: no cookie
    assert (expected in page) if expected else ("data-bs-theme" not in page)


def test_somebody_who_is_not_signed_in_keeps_the_look_in_a_cookie(visitor: Visitor) -> None:
    visitor.submit("/appearance", {"theme": "dark"})
    assert 'data-bs-theme="dark"' in visitor.get("/nowhere").text
    visitor.submit("/appearance", {"theme": ""})
    assert "data-bs-theme" not in visitor.get("/nowhere").text


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_the_way_back_stays_with_us(visitor: Visitor, back: str) -> None:
    assert visitor.submit("/appearance", {"theme": "dark", "back": back}).headers["Location"] == "/"


def test_the_look_is_changed_by_a_form_of_ours_alone(visitor: Visitor) -> None:
    assert visitor.post("/appearance", data={"theme": "dark"}).status_code == 400


def test_admins_and_leads_have_their_ways_in(client_of: Client) -> None:
    ways = {handle: client_of(handle).get("/people").text for handle in ("ana", "lea", "ada")}
    assert ['href="/lead"' in page for page in ways.values()] == [False, True, True]
    assert ['href="/admin"' in page for page in ways.values()] == [False, False, True]


def test_the_language_falls_back_to_one_we_have(client_of: Client) -> None:
    page = client_of("ana").get("/people", headers={"Accept-Language": "tlh, xx;q=0.9"}).text
    assert '<html lang="en" dir="ltr">' in page


READERS = {"request", "session", "g", "viewer", "theme", "csrf_token", "get_flashed_messages"}
"""What a template may ask that is different for another reader."""
CLOCKS = {"near_moment", "near_day", "short_moment", "long_moment", "month"}
"""Filters that write by the reader's zone, or by what day it is."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_drawn_once_for_all_asks_nothing_about_its_reader(app: Flask) -> None:
    env = app.jinja_env
    macros, drawn = {}, set()
    for name in env.list_templates():
        tree = env.parse(env.loader.get_source(env, name)[0])
        macros |= {macro.name: macro for macro in tree.find_all(nodes.Macro)}
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "drawn":
                drawn.add(call.args[0].attr if isinstance(call.args[0], nodes.Getattr) else call.args[0].name)
    assert drawn == {"board_places", "board_choices", "standing_row", "person_link", "movement", "bell"}
    reached: set[str] = set()
    while more := {name for name in drawn if name in macros} - reached:
        reached |= more
        for part in (macros[name] for name in more):
            asked = {name.name for name in part.find_all(nodes.Name)}
            asked |= {attribute.attr for attribute in part.find_all(nodes.Getattr)}
            filters = {found.name for found in part.find_all(nodes.Filter)}
            assert (asked & READERS, filters & CLOCKS) == (set(), set()), part.name
            drawn |= asked
