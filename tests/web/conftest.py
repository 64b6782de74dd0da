"""What the tests of a product with sources share: people signed in there, tokens, and calls with them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from leaderboard import config as configuration
from leaderboard import people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person
from tests.conftest import CONFIG, browsers
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_hooks import SOURCES

Call = Callable[..., TestResponse]
MEMBERS = ("ana", "ben", "lea", "ada", "dan", "max")


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock) -> Flask:
    """The product with two sources."""
    return create_app(configuration.read(CONFIG + SOURCES), db, clock)


@pytest.fixture
def visit(desk: Flask, company: Company) -> Callable[[str], Visitor]:
    """`visit("ana")`: Ana's browser at the product with sources, signed in."""
    return browsers(desk, company)


@pytest.fixture
def ada(visit: Callable[[str], Visitor]) -> Visitor:
    return visit("ada")


@pytest.fixture
def tokens(db: Database, company: Company) -> dict[str, str]:
    """A token of everybody: read and write, and admin for Ada; "reader" is Ana's with read alone."""
    with db.writing() as session:
        made = {
            handle: people.token_create(
                session,
                session.get_one(Person, company[handle]),
                ["read", "write"] + (["admin"] if handle == "ada" else []),
                90,
                NOON,
            )
            for handle in MEMBERS
        }
        ana = session.get_one(Person, company["ana"])
        made["reader"] = people.token_create(session, ana, ["read"], 1, NOON)
    return made


@pytest.fixture
def call(desk: Flask, tokens: dict[str, str]) -> Call:
    """`call("ana", "/standings")`, `call("ana", "/stories", {...})`: with that person's token; a body makes it a POST."""

    def ask(who: str | None, path: str, body: Any = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {tokens[who]}"} if who else {}
        headers |= more.pop("headers", {})
        method = more.pop("method", "GET" if body is None else "POST")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        client: FlaskClient = desk.test_client()
        return client.open(f"/api/v1{path}", method=method, data=body, headers=headers, **more)

    return ask
