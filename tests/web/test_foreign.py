"""P24, behind the doors: what is not one's own answers like what is not there, at every address that names a row."""

import re
from collections.abc import Callable
from difflib import ndiff
from typing import Any

import pytest
from flask import Flask
from sqlmodel import select
from werkzeug.test import TestResponse

from leaderboard import people
from leaderboard.database import Database
from leaderboard.tables import Channel, FollowUp, Nomination, Person, Promise, Team, Token
from leaderboard.web.api import examples
from tests import make
from tests.full import Full, app, fill
from tests.make import Company
from tests.visitor import Visitor
from tests.web.test_permissions import MATRIX

__all__ = ["app"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FOR_EVERYBODY = {
    "/api/v1/people/<person>": "the directory",
    "/people/<handle>": "the directory",
    "/people/<handle>/picture": "a part of the directory",
    "/weeks/<week>": "announced weeks are for everybody",
    "/weeks/<week>.csv": "the same as a file",
    "/api/v1/weeks/<week>": "the same by the API",
    "/me/confirm/passkey/<token>": "a signed state of one's own session",
    "/me/passkeys/<token>": "a signed state of one's own session",
    "/me/second-factor/<token>": "a signed state of one's own session",
}
"""Addresses with a name in them that hold nothing foreign, and why."""
MISSING = {
    "uid": "0" * 32,
    "story": "0" * 32,
    "promise": "0" * 32,
    "team": "nowhere",
    "slug": "nowhere",
    "handle": "nobody",
    "person": "nobody",
    "week": "2026-W47",
}
"""Names of what is not there; numbers are 99999."""
BODIES: dict[str, Any] = {"decline": examples.DECLINE, "keep": examples.KEEP, "move": examples.MOVE}
FORMS = {
    "move": {"due_at": "2026-11-25T10:00"},
    "settings": {"accepts": "at_once"},
    "decline": {"reason": "Not a story."},
    "<story>": {"do": "accept"},
    "<promise>": {"do": "confirm"},
    "<int:number>": {"do": "close", "note": "Called."},
    "channels": {"kind": "email", "name": "x", "target": "x@example.com"},
}


@pytest.fixture
def full(app: Flask, db: Database, company: Company, clock: make.Clock) -> Full:
    """Everything in it is Ana's and Care's, and Ana keeps her points to her team."""
    made = fill(app, db, company, clock)
    with db.writing() as work:
        work.get_one(Person, company["ana"]).visibility = "team"
    return made


def addresses(full: Full) -> list[tuple[str, str, str, str, str]]:
    """(for whom, method, rule, address of a row of Care, address of none) of every rule that names one."""
    found = []
    for who in ("member", "lead"):
        for rule, methods in MATRIX[who].items():
            if "<" not in rule or rule in FOR_EVERYBODY:
                continue
            there = full.address(rule)
            missing = re.sub(r"<([^>]+)>", lambda name: MISSING.get(name[1], "99999"), rule)
            found += [(who, method, rule, there, missing) for method in methods.split()]
    return found


def plain(answer: TestResponse, path: str) -> tuple[int, str]:
    """An answer without what differs each time: references, CSRF tokens, the address itself."""
    text = re.sub(r'value="[^"]*"|<code>[^<]*</code>|"reference": ?"[^"]*"', "", answer.text)
    return answer.status_code, text.replace(path, "") + answer.headers.get("Location", "").replace(path, "")


def differences(one: tuple[int, str], other: tuple[int, str]) -> list[str]:
    """The lines that stand in one answer only, the status first."""
    return [f"{one[0]} {other[0]}"] * (one[0] != other[0]) + [
        line for line in ndiff(one[1].splitlines(), other[1].splitlines()) if line[0] in "-+"
    ]


def test_a_foreign_row_answers_like_one_that_is_not_there(
    app: Flask, db: Database, company: Company, clock: make.Clock, full: Full
) -> None:
    """Dan and his lead Max are of another team; nothing of Care is theirs to see or to change."""
    with db.writing() as work:
        tokens = {
            handle: people.token_create(
                work, work.get_one(Person, company[handle]), ["read", "write"], 30, clock()
            )
            for handle in ("dan", "max")
        }
    checked = 0
    for who, method, rule, there, missing in addresses(full):
        for handle in ("dan", "max") if who == "member" else ("max",):
            answers = []
            for path in (there, missing):
                visitor = Visitor(
                    app, app.response_class
                )  # a new one each time, so that no notice is left over
                visitor.sign_in(company[handle])
                step = rule.rpartition("/")[2]
                if rule.startswith("/api/"):
                    body: dict[str, Any] = {"json": BODIES[step]} if step in BODIES else {}
                    answer = visitor.open(
                        path, method=method, headers={"Authorization": f"Bearer {tokens[handle]}"}, **body
                    )
                elif method == "GET":
                    answer = visitor.get(path)
                else:
                    answer = visitor.submit(path, FORMS.get(step, {}))
                answers.append(plain(answer, path))
            assert differences(*answers) == [], (handle, method, there)
            assert answers[0][0] == 404 or rule == "/me/tokens/<int:token_id>/revoke", (handle, method, there)
            checked += 1
    assert checked > 60
    assert unchanged(db, company, full)


def unchanged(db: Database, company: Company, full: Full) -> bool:
    """That Ana's token still works, and her story, promise and team are as they were."""
    with db.reading() as read:
        return (
            read.get_one(Token, int(full.names["int:token_id"])).revoked_at is None
            and [row.active for row in read.exec(select(Channel))] == [True]
            and [row.state for row in read.exec(select(FollowUp))] == ["open"]
            and [row.state for row in read.exec(select(Promise))] == ["open", "kept"]
            and {row.state for row in read.exec(select(Nomination))} == {"accepted", "waiting", "declined"}
            and read.get_one(Team, company.teams["Care"]).accepts == "lead"
        )


def test_the_same_addresses_open_to_whose_they_are(
    app: Flask, full: Full, client_of: Callable[[str], Visitor]
) -> None:
    """So that the test above cannot pass because its addresses lead nowhere."""
    owner = {"member": client_of("ana"), "lead": client_of("lea")}
    for who, method, rule, there, _ in addresses(full):
        if method == "GET" and not rule.startswith("/api/"):
            assert owner[who].get(there).status_code in (200, 303), there
