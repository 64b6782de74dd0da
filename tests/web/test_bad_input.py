"""Whatever is typed into an address or a form, no page breaks: every route with parameters, every form with every field."""

import html
import re
from typing import cast
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.routing import Rule

from leaderboard import config as settings
from leaderboard.app import create_app
from leaderboard.database import Database
from tests import corpus
from tests.conftest import CONFIG
from tests.make import Clock, Company
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_admin import DEMO, send, stranger
from tests.web.test_home import tell
from tests.web.test_hooks import SOURCES

VALUES = {
    "NUL": "a\0b",
    "a number no row has": "3000000000",
    "a longer one": "9" * 30,
    "other digits": "٣",
    "half a character": "\ud800",
    "quotes": "'\"><script>alert(1)</script>",
    "percent": "%%%s%(x)s{0}{{7*7}}",
    "a week that is none": "9999-W53",
    "spaces": " \u2028\t ",
    "long": "x" * 3_000,
}
PARAMETERS = (
    "after", "before", "team", "person", "name", "guideline", "period", "order", "for", "state", "source", "seen",
    "next", "week", "q", "page", "limit", "nominees", "search",
)  # fmt: skip
MOST_PAGES = 90
"""Of a walk along the links: a page of weeks has always one more."""
ENDINGS = ("/deactivate", "/sign-out", "/reset-second-factor")
"""Forms without any text, which end this visit."""
SIGNING_IN = ("/sign-in", "/sign-out")
"""Tested where they live; signing out would end the walk."""
NOT_PAGES = (*SIGNING_IN, "/static", "/api", "/hooks", "/healthz", "/metrics")


@pytest.fixture
def house(db: Database, company: Company, clock: Clock) -> Flask:
    """The product with something of everything in it."""
    app = create_app(settings.read("demo = true\n" + CONFIG + SOURCES + DEMO), db, clock)
    tell(db, company, "ana", "ben")
    give(db, ana=7, ben=6)
    send(app, db)
    send(app, db, stranger())
    return app


@pytest.fixture
def ada(house: Flask, company: Company) -> Visitor:
    house.test_client_class = Visitor
    visitor = cast("Visitor", house.test_client())
    visitor.sign_in(company["ada"])
    return visitor


def pages(app: Flask) -> list[Rule]:
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith(NOT_PAGES)
    ]


def test_no_parameter_of_an_address_breaks_a_page(house: Flask, ada: Visitor) -> None:
    for name, value in VALUES.items():
        text = value.encode("utf-8", "surrogatepass").decode("latin-1")
        for rule in pages(house):
            path = re.sub(r"<(\w+:)?\w+>", "1", rule.rule)
            answer = ada.get(path, query_string=dict.fromkeys(PARAMETERS, text))
            assert answer.status_code < 500, (path, name)
            if rule.arguments:
                filled = re.sub(r"<(\w+:)?\w+>", quote(value[:80].encode("utf-8", "replace")), rule.rule)
                assert ada.get(filled).status_code < 500, (filled, name)


FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)


def forms(ada: Visitor, app: Flask) -> dict[str, set[str]]:
    """The fields of every form that an admin's pages post, by where they post it."""
    found: dict[str, set[str]] = {}
    seen: set[str] = set()
    waiting = [rule.rule for rule in pages(app) if not rule.arguments]
    while waiting:
        path = waiting.pop(0)
        if path in seen or len(seen) > MOST_PAGES:
            continue
        seen.add(path)
        text = ada.get(path).get_data(as_text=True)
        for attributes, inside in FORM.findall(text):
            if 'method="post"' not in attributes:
                continue
            action = re.search(r'action="([^"]*)"', attributes)
            target = html.unescape(action[1]) if action else path
            if not target.startswith(SIGNING_IN):
                found.setdefault(target, set()).update(re.findall(r'name="([^"]+)"', inside))
        links = re.findall(r'href="(/[^"#?]*)"', text)
        waiting += [link for link in links if not link.startswith(("/static", "/sign", "/api"))]
    return found


def test_no_field_of_a_form_breaks_a_page(house: Flask, ada: Visitor) -> None:
    tried = forms(ada, house)
    assert len(tried) > 20
    for target, fields in tried.items():
        if target.endswith(ENDINGS):
            continue
        for name, value in VALUES.items():
            text = value.encode("utf-8", "replace").decode()
            answer = ada.submit(target, dict.fromkeys(fields - {"csrf_token"}, text))
            assert answer.status_code < 500, (target, name, sorted(fields))


def test_no_text_of_the_corpus_breaks_the_form_for_stories(ada: Visitor) -> None:
    for name, text in corpus.texts().items():
        clean = text.encode("utf-8", "replace").decode()
        answer = ada.submit(
            "/nominate", {"nominees": clean, "story": clean, "customer": clean, "guideline": clean}
        )
        assert answer.status_code < 500, name
