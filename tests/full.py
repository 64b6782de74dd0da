"""One team's week in which everything that there can be is Ana's, for tests of what others may see of it.

tests/web/world.py furnishes the whole product instead, with every sign-in, for the walks through all routes.
"""

import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlmodel import Session, select

from leaderboard import announcements, deliveries, jobs, ledger, nominations, people, promises, recognition
from leaderboard import config as settings
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.plugin import Delivery
from leaderboard.points import FairPlay, Points, Rules
from leaderboard.tables import (
    ClosedWeek,
    FollowUp,
    Heartbeat,
    Notice,
    Person,
    Recognition,
    Source,
    Team,
    Token,
    WebAuthn,
)
from tests import make
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.test_recognition import MONDAY, WEEK, told

SETTINGS = (
    'demo = true\npull_hosts = ["127.0.0.1"]\n'
    + CONFIG
    + """
[mail]
server = "127.0.0.1"
port = 9
security = "none"
[announce]
schemas = ["json"]
hosts = ["127.0.0.1"]
[plugins.demo]
secret = "shared with the demo desk"
address = "http://127.0.0.1:9"
api_token = "read only"
"""
)
"""A config with every group of pages and a source that is pulled."""


@dataclass(frozen=True)
class Full:
    """The names of the rows: what stands in an address, by the name that the address has for it."""

    names: dict[str, str]
    delivery: int
    accepted: str
    more: dict[str, int] = field(default_factory=dict)

    def address(self, rule: str) -> str:
        """The address of a row of this company, by a route's rule."""
        names = self.names | ({"uid": self.names["promise"]} if rule.startswith("/promises/") else {})
        names |= {"int:number": self.names["notice"]} if rule.startswith("/notices/") else {}
        return re.sub(r"<([^>]+)>", lambda name: names[name[1]], rule)


def fill(app: Flask, db: Database, company: Company, clock: Clock) -> Full:
    """Live through week 47 of Care: stories, thanks, an unhappy rating, promises, a closed and announced week, mistakes."""
    config = app.extensions["config"]
    moment = clock()
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(WEEK)
        session.flush()
        for giver in ("chris", "lea"):
            told(session, company, giver, "ben", points=5)
            accepted = told(session, company, giver, "ana", points=9)
    taken = deliver(app, db, what="bad", id=7, words="Nobody called me back.")
    deliver(app, db, what="thanks", id=8, words="She found our luggage!")
    deliver(app, db, what="thanks", id=9, agent="somebody-unknown", words="Thank you.")
    broken = deliveries.receive(
        db,
        config,
        "demo",
        Delivery(
            b'{"what": "thanks"', {"x-note": "a header"}, moment, url="http://localhost/hooks/demo?note=1"
        ),
    )
    clock.at(MONDAY)
    assert jobs.close_weeks(db, config, clock) == 1
    with db.writing() as session:
        names = after_the_week(session, company, clock, accepted)
        closed = session.exec(select(ClosedWeek).where(ClosedWeek.team_id == company.teams["Care"])).one()
        recognition.announce(
            session, config, closed.id or 0, clock(), session.get_one(Person, company["lea"])
        )
        names["int:message_id"] = str(announcements.of_week(session, closed.id or 0)[0][0].id)
        winner = session.exec(select(Recognition).where(Recognition.closed_week_id == closed.id)).first()
        assert winner is not None
        names["int:recognition_id"] = str(winner.id)
        mine = select(Notice.id).where(Notice.person_id == company["ana"])
        names["notice"] = str(session.exec(mine).first())
        names["int:number"] = str(session.exec(select(FollowUp.id)).one())
    return Full(names, taken, accepted, {"broken": broken.id})


@pytest.fixture
def app(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(settings.read(SETTINGS), db, clock)


@pytest.fixture
def full(app: Flask, db: Database, company: Company, clock: Clock) -> Full:
    return fill(app, db, company, clock)


def deliver(app: Flask, db: Database, **fact: Any) -> int:
    """A fact of the demo desk, about Ana where it does not say another; the delivery's number."""
    moment = app.extensions["clock"]()
    whole = {
        "agent": "ana@example.com",
        "ticket": str(fact["id"]),
        "customer": f"c{fact['id']}@example.org",
        "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        **fact,
    }
    body = json.dumps(whole).encode()
    return deliveries.receive(db, app.extensions["config"], "demo", Delivery(body, {}, moment)).id


def after_the_week(session: Session, company: Company, clock: Clock, accepted: str) -> dict[str, str]:
    """What happens on the Monday after: a story that waits, a co-sign, promises, settings, and what went wrong."""
    person = {handle: session.get_one(Person, number) for handle, number in company.people.items()}
    telling = nominations.Telling(
        ("ben",), "team-player", make.a_story(), "The Okafor family", clock().date()
    )
    waiting = nominations.nominate(session, person["ana"], telling, clock())
    declined = nominations.nominate(
        session, person["chris"], nominations.Telling(("ben",), "relationships", make.a_story()), clock()
    )
    nominations.decline(session, declined.uid, person["lea"], "Who was the customer?", clock())
    nominations.co_sign(session, accepted, person["ben"], clock())
    making = promises.Making(
        "Call Mr Ito",
        clock() + timedelta(days=1),
        "Mr Ito",
        "4711",
        "Ana",
        clock() + timedelta(days=1),
        "Lea",
    )
    promise = promises.make(session, person["ana"], making, clock())
    promises.move(
        session, promise.uid, person["ana"], clock() + timedelta(days=2), True, "They asked.", clock()
    )
    kept = promises.make(
        session, person["ben"], promises.Making("Send it", clock() + timedelta(days=1)), clock()
    )
    promises.keep(session, kept.uid, person["ben"], "It arrived.", clock())
    channel = announcements.add_channel(
        session, company.teams["Care"], "email", "The floor", "floor@example.com"
    )
    people.token_create(session, person["ana"], ["read"], 30, clock(), "Wall display")
    token = session.exec(select(Token)).one()
    session.add(
        WebAuthn(
            credential_id=secrets.token_bytes(16),
            public_key=b"key",
            name="phone",
            usage="first",
            create_datetime=clock(),
            lastuse_datetime=clock(),
            user_id=company["ana"],
        )
    )
    before = Rules(1, Points(), FairPlay())
    ledger.change_rules(
        session,
        before,
        Points(story_accepted=11),
        FairPlay(),
        clock(),
        company["ada"],
        "Stories matter more.",
    )
    session.merge(
        Source(name="demo", refused=1, refused_at=NOON, refused_reason="not signed", pull_error="no answer")
    )
    session.add(Heartbeat(job="pull", started_at=NOON, finished_at=NOON, error="it failed"))
    session.flush()
    return {
        "uid": waiting.uid,
        "declined": declined.uid,
        "kept": kept.uid,
        "story": waiting.uid,
        "promise": promise.uid,
        "team": "care",
        "slug": "care",
        "week": str(WEEK),
        "handle": "ana",
        "plugin": "standard",
        "person": "ana",
        "name": "demo",
        "int:channel_id": str(channel.id),
        "int:token_id": str(token.id),
        "int:identity": "1",
        "delivery": "1",
        "source": "demo",
    }
