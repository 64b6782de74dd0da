"""Threats by name that no other file holds: the list with all of them is in docs/promises.md."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import promises, serve
from leaderboard.audit import audit
from leaderboard.database import Database, Unavailable
from leaderboard.tables import Nomination, Person, Promise
from tests import make
from tests.full import Full, app, full
from tests.make import NOON, Company
from tests.visitor import Visitor
from tests.web.test_permissions import MATRIX

__all__ = ["app", "full"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def pages(full: Full) -> Iterator[tuple[str, str]]:
    """(for whom, address) of everything that a browser fetches, but the product's own files."""
    for who, rows in MATRIX.items():
        for rule, methods in rows.items():
            machine = rule.startswith(("/static", "/hooks", "/api/")) or rule == "/metrics"
            if "GET" in methods.split() and not machine and "<token>" not in rule:
                yield who, full.address(rule)


def test_a_made_up_host_is_repeated_nowhere(full: Full, client_of: Callable[[str], Visitor]) -> None:
    """Host header poisoning: no link, redirect or form of any page takes the address from the request."""
    ada = client_of("ada")
    cookie = ada.get_cookie("extra_mile")
    assert cookie is not None
    looked = 0
    told = ("member", f"/stories/{full.accepted}")  # whose page has its whole address, to copy and on paper
    for _, path in (told, *pages(full)):
        headers = {
            "Host": "evil.example",
            "X-Forwarded-Host": "evil.example",
            "Cookie": f"extra_mile={cookie.value}",
        }
        answer = ada.application.test_client(use_cookies=False).get(path, headers=headers)
        assert answer.status_code < 500 or path == "/healthz", path
        assert "evil.example" not in answer.text + str(answer.headers), path
        assert "/sign-in" not in answer.headers.get("Location", "") or path.startswith("/sign-in"), path
        looked += 1
    assert looked > 60


def test_no_private_page_is_kept_where_others_find_it(
    full: Full, client_of: Callable[[str], Visitor]
) -> None:
    """Cached private pages: neither a shared cache nor the next person at this computer gets what one person saw."""
    ada = client_of("ada")
    for who, path in pages(full):
        answer = ada.get(path)
        assert "/sign-in" not in answer.headers.get("Location", "") or who == "public", path
        kept = answer.headers.get("Cache-Control", "")
        if who != "public":
            assert "private" in kept, path
            assert "no-store" in kept or ("no-cache" in kept and "Cookie" in answer.headers["Vary"]), path
        assert "public" not in kept, path
    assert ada.submit("/sign-out").headers["Clear-Site-Data"] == '"cache"'


def test_nobody_can_send_along_what_is_not_theirs_to_say(
    full: Full, app: Flask, db: Database, company: Company, client_of: Callable[[str], Visitor]
) -> None:
    """Mass assignment, in forms: who told it, its worth, its state, whose it is, who accepted it."""
    ana = client_of("ana")
    extra = {
        "id": "1",
        "uid": "1" * 32,
        "nominator_id": str(company["ben"]),
        "giver": "ben",
        "team_id": "2",
        "points": "1000",
        "worth": "1000",
        "full_worth": "1000",
        "state": "accepted",
        "judged_by": str(company["ana"]),
        "approved_by": str(company["ana"]),
        "acceptances": "1",
        "maker_id": str(company["ben"]),
        "source": "demo",
        "confirmed_by": str(company["ana"]),
        "confirmed_as": "customer",
        "kept_at": "2026-11-18T12:00",
        "role": "admin",
        "active": "1",
    }
    story = {"nominees": ["dan"], "guideline": "team-player", "story": make.a_story()}
    assert ana.submit("/nominate", story | extra).status_code == 303
    promise = {"what": "Call Ms Lee", "due_at": "2026-11-25T10:00"}
    assert ana.submit("/promises/new", promise | extra).status_code == 303
    with db.reading() as read:
        told = read.exec(select(Nomination).order_by(Nomination.id.desc())).first()  # type: ignore[union-attr]
        made = read.exec(select(Promise).order_by(Promise.id.desc())).first()  # type: ignore[union-attr]
        person = read.get_one(Person, company["ana"])
    assert told is not None
    assert made is not None
    assert (told.nominator_id, told.state, told.judged_by, told.acceptances) == (
        company["ana"],
        "waiting",
        None,
        0,
    )
    assert told.worth <= 11
    assert (made.maker_id, made.state, made.source, made.confirmed_by) == (
        company["ana"],
        "open",
        "extra-mile",
        None,
    )
    assert person.role == "member"


def test_two_tabs_and_a_double_click_do_a_thing_once(
    full: Full, db: Database, company: Company, client_of: Callable[[str], Visitor]
) -> None:
    """Every button of a story and of a promise, pressed twice and from two tabs: nothing fails, and it is done once."""
    chris, lea, ana, ben = (client_of(who) for who in ("chris", "lea", "ana", "ben"))
    waiting, kept = f"/stories/{full.names['uid']}", f"/promises/{full.names['kept']}"
    steps = [
        (lea, f"{waiting}/accept"),
        (chris, f"{waiting}/co-sign"),
        (chris, f"{waiting}/co-sign/take-back"),
        (chris, f"{waiting}/co-sign"),
        (ben, f"{waiting}/hide"),
        (ben, f"{waiting}/show"),
        (ana, f"{kept}/confirm"),
        (ana, f"{waiting}/withdraw"),
    ]
    for visitor, path in steps:
        answers = [visitor.submit(path).status_code for _ in range(2)]
        assert set(answers) <= {302, 303, 404, 403}, (path, answers)
        assert answers[0] in (302, 303), (path, answers)
    with db.reading() as read:
        row = read.exec(select(Nomination).where(Nomination.uid == full.names["uid"])).one()
        assert list(audit(read)) == []
        promise = promises.find(read, full.names["kept"], read.get_one(Person, company["ana"]))
    assert (row.state, row.cosigns) == ("withdrawn", 1)
    assert promise.confirmed_as == "colleague"


FORGED = (
    'x\n{"event": "all is well", "level": "info"}',
    "x\r\n2026-11-18 root: password changed",
    "x\x1b[2J\x1b[1;31mALARM\x07",
    "x\x9b31mALARM",
    'x", "level": "critical", "a": "',
    "x\u2028{}\u2029\u0085",
    "x\u202egnihton",
    "\ud800x",
    "x\x00y",
)
"""Texts that would end a line of the log, begin another, or act on the terminal of who reads it."""


def test_no_text_forges_a_line_of_the_log(app: Flask, visitor: Visitor) -> None:
    """Log injection: an address with such a text, whose request fails, is one line of plain JSON."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    written = io.StringIO()
    try:
        serve.log_to_stderr(app.extensions["config"])
        handler = root.handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)

        def gone(**_: object) -> None:
            raise Unavailable("the disk is full")

        app.view_functions["people.person"] = gone
        app.view_functions["people.person"].access = "public"  # type: ignore[attr-defined]
        for text in FORGED:
            path = "/people/" + "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
            assert visitor.get(path, headers={"User-Agent": "x"}).status_code == 503
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = [line for line in written.getvalue().split("\n") if "failed, reference" in line]
    assert len(lines) == len(FORGED)
    assert written.getvalue().count("\n") == len(written.getvalue().splitlines()) == 2 * len(FORGED)
    for line, text in zip(lines, FORGED, strict=True):
        assert line.isascii(), repr(line)
        assert line.isprintable(), repr(line)
        assert text[0] in json.loads(line)["event"] or text.startswith("\ud800")
        assert json.loads(line)["level"] == "error"


def test_a_lead_changes_no_rule_and_an_admin_none_backwards(
    full: Full, client_of: Callable[[str], Visitor]
) -> None:
    """A lead changing rules backwards: rules are an admin's, and hold from the next week on, whatever is sent."""
    lea, ada = client_of("lea"), client_of("ada")
    assert lea.get("/admin/rules").status_code == 403
    assert lea.submit("/admin/rules", {"points_story_accepted": "100"}).status_code == 403
    page = ada.get("/admin/rules").text
    form = dict(re.findall(r'name="((?:points|fair)_\w+)"[^>]*value="(\d+)"', page))
    assert len(form) > 20
    form |= {"points_story_accepted": "99", "from_week": "2026-W01", "version": "1", "created_at": f"{NOON}"}
    assert ada.submit("/admin/rules", form).status_code == 303
    text = re.sub(r"<[^>]+>|\s+", " ", ada.get("/admin/rules").text)
    assert "2026-W49" in text, "the next week"
    assert "2026-W01" not in text
