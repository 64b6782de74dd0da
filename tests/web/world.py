"""A product in which every kind of row is there, and an address of every route: what the walks walk through.

A new route is walked by itself; one whose address has an argument that nobody knows here fails and says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from leaderboard import announcements, config, invitations, jobs, ledger, people, promises, recognition
from leaderboard.announcements import letters
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.ledger import taking_back
from leaderboard.points import FairPlay, Points, Rules
from leaderboard.tables import Heartbeat, Merge, Person, Team, WebAuthn
from leaderboard.web.sign_in import link_to_set_password
from tests.make import NOON, PASSWORD, Clock, Company
from tests.test_ledger import thanks
from tests.test_recognition import MONDAY, WEEK, told
from tests.visitor import Visitor
from tests.web.test_hooks import FACT, SOURCES, send
from tests.web.test_permissions import EVERYTHING
from tests.web.test_sign_in import switch_on
from tests.web.test_stories import told as tell

PICTURE = Path(__file__).parent.parent / "pictures" / "photo.jpg"
HALFWAY = "eve, with a password and without a code"


@dataclass(frozen=True)
class World:
    """The furnished app, and what stands in its addresses: by argument, or by group of pages and argument."""

    app: Flask
    company: Company
    names: dict[str, str | int]

    def address(self, rule: Rule) -> str:
        """The route's address with what is really there in it."""
        group = rule.rule.split("/")[1]
        values = {}
        for argument in rule.arguments:
            known = self.names.get(f"{group}.{argument}", self.names.get(argument))
            assert known is not None, f"tests/web/world.py does not know what <{argument}> of {rule.rule} is"
            values[argument] = known
        built = rule.build(values)
        assert built is not None, rule.rule
        return built[1]

    def routes(self, method: str) -> Iterator[tuple[Rule, str]]:
        """Every route that takes this method, with its address; but style sheets and pictures."""
        for rule in sorted(self.app.url_map.iter_rules(), key=lambda rule: rule.rule):
            if method in (rule.methods or ()) and rule.endpoint != "static":
                yield rule, self.address(rule)

    def visitor(self, handle: str | None) -> Visitor:
        """That person's browser; None: somebody who is not signed in; HALFWAY: who gave a password and owes a code."""
        visitor = Visitor(self.app, self.app.response_class)
        if handle == HALFWAY:
            visitor.submit("/sign-in", {"email": "eve@example.com", "password": PASSWORD})
        elif handle:
            visitor.sign_in(self.company[handle])
        return visitor

    def get(self, handle: str | None, path: str, **more: Any) -> TestResponse:
        """A page as that person gets it, in a session of its own: some addresses end the one that asks."""
        return self.visitor(handle).get(path, **more)


@pytest.fixture
def world(db: Database, company: Company, clock: Clock) -> World:
    """Week 47 is closed and announced, and in Shop closed only; week 48 runs, with something of everything waiting."""
    text = (
        EVERYTHING + SOURCES + '[announce]\nhosts = ["127.0.0.1"]\n[mail]\nserver = "127.0.0.1"\nport = 9\n'
    )
    app = create_app(config.read(text), db, clock)
    _last_week(app, db, company)
    clock.at(MONDAY + timedelta(hours=8))  # after Shop's closing hour, too
    assert jobs.close_weeks(db, app.extensions["config"], clock) == 2
    names = _this_week(app, db, company, clock)
    with db.writing() as session:
        people.keep_picture(session, session.get_one(Person, company["ben"]), PICTURE.read_bytes(), clock())
        session.get_one(Person, company["eve"]).password = people.hash_password(PASSWORD)
    whole = World(app, company, names)
    switch_on(app, whole.visitor("eve"))
    return whole


def _last_week(app: Flask, db: Database, company: Company) -> None:
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(WEEK)
        session.flush()
        for giver in ("chris", "lea"):
            told(session, company, giver, "ben", points=5)
            told(session, company, giver, "ana", points=9)
            told(session, company, giver, "eve", points=7)
        whose = session.get_one(Person, company["ana"])
        promises.make(
            session, whose, promises.Making("Call Mr Ito", NOON + timedelta(days=9), "Mr Ito"), NOON
        )
    send(app)


def _this_week(app: Flask, db: Database, company: Company, clock: Clock) -> dict[str, str | int]:
    now = clock()
    world = World(app, company, {})
    unhappy = FACT["data"] | {"key": "csat-2", "text": "I waited two days."}
    send(app, FACT | {"type": "rating.bad", "data": unhappy})
    send(app, FACT | {"data": FACT["data"] | {"key": "csat-3", "agent": "stranger"}})
    failed = send(app, b'{"type": "thanks.received"')
    assert failed.status_code == 202
    accepted, waiting = (tell(world.visitor("ana"), "ben", "dan") for _ in range(2))
    world.visitor("lea").submit(f"{accepted}/accept")
    world.visitor("chris").submit(f"{accepted}/co-sign")
    with db.writing() as session:
        care = company.teams["Care"]
        channel = announcements.add_channel(session, care, "email", "Everybody", "all@example.com")
        closed = recognition.closed_week(session, care, WEEK)
        assert closed is not None
        recognition.announce(session, app.extensions["config"], closed.id or 0, now, None)
        (message, _channel), *_rest = announcements.of_week(session, closed.id or 0)
        people.token_create(session, session.get_one(Person, company["ana"]), ["read"], 90, now)
        ana = session.get_one(Person, company["ana"])
        made = promises.make(session, ana, promises.Making("Write to her", now + timedelta(days=1)), now)
        before = Rules(1, Points(), FairPlay())
        ledger.change_rules(
            session, before, Points(story_accepted=11), FairPlay(), now, company["ada"], "More"
        )
        earlier = now - timedelta(hours=1)
        ledger.post(session, "standard", [thanks(9, agent="stranger")], earlier)
        span = (earlier, earlier + timedelta(minutes=1))
        forged = taking_back.ask(session, "standard", *span, 1, "Forged", now, company["ada"])
        taking_back.carry_out(session, forged.id or 0, now)
        one = {"person_id": company["dan"], "into_id": company["ben"], "was_active": True, "last_event_id": 0}
        session.add(Merge(**one, reason="Twice", merged_at=now, merged_by=company["ada"], undone_at=now))
        session.add(Heartbeat(job="close_weeks", started_at=now, finished_at=now))
        session.add(Heartbeat(job="pull", started_at=now, finished_at=now, error="it does not answer"))
        for handle in ("ana", "ada"):
            session.add(
                WebAuthn(
                    credential_id=handle.encode(), public_key=b"key", name="Phone", usage="first",
                    create_datetime=now, lastuse_datetime=now, user_id=company[handle],
                )
            )  # fmt: skip
        winner = recognition.winners(session, closed, ana)[0]
        found: dict[str, str | int] = {
            "message_id": message.id or 0,
            "channel_id": channel.id or 0,
            "recognition_id": winner.id,
            "promises.uid": made.uid,
            "promise": made.uid,
        }
    jobs.tell_notices(db, app.extensions["config"], clock)
    with db.reading() as session, app.test_request_context():
        link = link_to_set_password(session.get_one(Person, company["chris"]))
        invited = invitations.link(app.extensions["config"], session.get_one(Person, company["max"]), now)
        ended = letters.stop_token(app.extensions["config"], session.get_one(Person, company["chris"]))
    return found | {
        "handle": "ben",
        "person": "ben",
        "slug": "care",
        "team": "care",
        "week": str(WEEK),
        "name": "standard",
        "plugin": "standard",
        "source": "standard",
        "number": 1,
        "notices.number": 1,
        "notices.token": ended,
        "delivery": 1,
        "identity": 1,
        "merge": 1,
        "reversal": 1,
        "token_id": 1,
        "token": link.rpartition("/")[2],
        "invitation.token": invited.rpartition("/")[2],
        "filename": "app.css",
        "stories.uid": accepted.rpartition("/")[2],
        "story": accepted.rpartition("/")[2],
        "waiting": waiting.rpartition("/")[2],
        "lead.story": waiting.rpartition("/")[2],
    }
