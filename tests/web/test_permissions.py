"""The matrix of permissions.toml, asked door by door: nobody, a member, a lead, an admin, a leaver, tokens of every scope."""

import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from leaderboard import config, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person
from leaderboard.web import access
from tests import make
from tests.conftest import CONFIG
from tests.make import Company
from tests.visitor import Visitor

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MATRIX: dict[str, dict[str, str]] = tomllib.loads(
    (Path(__file__).parent.parent / "permissions.toml").read_text("utf-8")
)
RANKS = {"public": 0, "member": 1, "lead": 2, "admin": 3}
EVERYTHING = (
    "demo = true\n"
    + CONFIG
    + '[sign_in.oidc]\nissuer = "http://127.0.0.1:1"\nclient_id = "em"\nclient_secret = "s"\n'
)
"""With every part that can be switched on, so that every route is there."""


@pytest.fixture
def app(db: Database, company: Company, clock: make.Clock) -> Flask:
    return create_app(config.read(EVERYTHING), db, clock)


def doors() -> list[tuple[str, str, str]]:
    """(whom it is for, method, address with made-up names in it) of every row."""
    return [
        (who, method, rule)
        for who, rows in MATRIX.items()
        for rule, methods in rows.items()
        for method in methods.split()
    ]


def address(app: Flask, rule_text: str) -> str:
    rule: Rule = next(rule for rule in app.url_map.iter_rules() if rule.rule == rule_text)
    names = {
        name: 999_999 if isinstance(c, IntegerConverter) else "no-such"
        for name, c in rule._converters.items()
    }
    built = rule.build(names)
    assert built is not None
    return built[1]


def is_for_tokens(rule: str) -> bool:
    return rule.startswith("/api/") or rule == "/metrics"


def pages(app: Flask) -> Iterator[tuple[str, str, str]]:
    for who, method, rule in doors():
        if not is_for_tokens(rule) and not rule.startswith(("/hooks/", "/static/")):
            yield who, method, address(app, rule)


def machines(app: Flask) -> Iterator[tuple[str, str, str]]:
    for who, method, rule in doors():
        if is_for_tokens(rule):
            yield who, method, address(app, rule)


def ask(visitor: Visitor, method: str, path: str) -> int:
    """The status; 401 where one is sent to sign in. No answer is a fault (no clock runs here, and /healthz says so)."""
    answer = visitor.get(path) if method == "GET" else visitor.submit(path)
    assert answer.status_code < 500 or path == "/healthz", (method, path)
    if answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in?next="):
        return 401
    return answer.status_code


def test_every_route_has_a_row_and_every_row_a_route(app: Flask) -> None:
    """The row of whom it is for: most pages ask by themselves who is there, so being asked would not show a mistake."""
    routes = {
        (access.access_of(app, rule.endpoint), method, str(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == set(doors())


def test_who_is_not_signed_in_opens_what_is_public(app: Flask) -> None:
    visitor = Visitor(app, app.response_class)
    for who, method, path in pages(app):
        if path == "/":
            assert visitor.get("/").headers["Location"] == "/sign-in"
            continue
        status = ask(visitor, method, path)
        assert (status == 401) == (who != "public"), (method, path, status)


@pytest.mark.parametrize("handle", ["ana", "lea", "max", "ada"])
def test_a_role_opens_its_own_doors_and_those_below(app: Flask, company: Company, handle: str) -> None:
    role = make.CAST[handle][1]
    visitor = Visitor(app, app.response_class)
    for who, method, path in pages(app):
        visitor.sign_in(company[handle])
        status = ask(visitor, method, path)
        assert status != 401, (method, path)
        assert (status == 403) == (RANKS[who] > RANKS[role]), (method, path, status)


def test_a_number_beyond_every_row_is_not_found(app: Flask, company: Company) -> None:
    visitor = Visitor(app, app.response_class)
    visitor.sign_in(company["ada"])
    for _, method, path in pages(app):
        if "999999" in path:
            for number in ("2147483648", "9" * 30):
                assert ask(visitor, method, path.replace("999999", number)) == 404, (method, path)


def test_a_leaver_is_a_stranger(
    app: Flask, db: Database, company: Company, client_of: Callable[[str], Visitor]
) -> None:
    ana = client_of("ana")
    assert ana.get("/me").status_code == 200
    with db.writing() as work:
        people.deactivate(work, work.get_one(Person, company["ana"]), make.NOON)
    for who, method, path in pages(app):
        if who != "public" and path != "/":
            assert ask(ana, method, path) == 401, (method, path)


def test_a_form_without_its_token_changes_nothing_anywhere(app: Flask, company: Company) -> None:
    visitor = Visitor(app, app.response_class)
    visitor.sign_in(company["ada"])
    for _, method, path in pages(app):
        if method != "GET":
            assert visitor.open(path, method=method).status_code == 400, (method, path)


def test_a_token_opens_what_its_person_and_its_scopes_allow(
    app: Flask, db: Database, company: Company, clock: make.Clock
) -> None:
    def token(handle: str, *scopes: str, days: int = 30) -> str:
        with db.writing() as work:
            person = work.get_one(Person, company[handle])
            return people.token_create(work, person, list(scopes), days, clock())

    def call(path: str, method: str, secret: str | None) -> int:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return Visitor(app, app.response_class).open(path, method=method, headers=headers).status_code

    holders = [
        ("ana", ("read",)),
        ("ana", ("write",)),
        ("ana", ("read", "write")),
        ("ada", ("read", "write")),
        ("ada", ("admin",)),
        ("ada", ("read", "write", "admin")),
    ]
    secrets = [(make.CAST[handle][1], scopes, token(handle, *scopes)) for handle, scopes in holders]
    expired, left = token("ana", "read", "write", days=1), token("ben", "read", "write")
    with db.writing() as work:
        people.deactivate(work, work.get_one(Person, company["ben"]), clock())
    clock.forward(days=1)
    signed_in = Visitor(app, app.response_class)
    signed_in.sign_in(company["ada"])
    for who, method, path in machines(app):
        if who == "public":
            assert call(path, method, None) < 400, path
            continue
        for nobody in (None, expired, left, "em_wrong", "é", ""):
            assert call(path, method, nobody) == 401, (method, path, nobody)
        assert signed_in.open(path, method=method).status_code == 401, "a session opens no door of machines"
        for role, scopes, secret in secrets:
            needed = "admin" if who == "admin" else "read" if method == "GET" else "write"
            allowed = RANKS[who] <= RANKS[role] and needed in scopes
            status = call(path, method, secret)
            assert status < 500, (method, path)
            assert (status == 403) == (not allowed), (method, path, role, scopes, status)


def test_a_token_ends_with_its_days(db: Database, company: Company, clock: make.Clock) -> None:
    with db.writing() as work:
        secret = people.token_create(work, work.get_one(Person, company["ana"]), ["read"], 1, clock())
    clock.forward(hours=23)
    with db.reading() as work:
        assert people.person_of_token(work, secret, clock())
        assert people.person_of_token(work, secret, clock() + timedelta(hours=1)) is None
