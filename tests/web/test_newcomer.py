"""From the empty install on: the first admin, and what a new company is led through."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import config as settings
from leaderboard import people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person, Team
from leaderboard.web import first_run
from tests import make
from tests.conftest import CONFIG
from tests.make import NOON, PASSWORD, Clock
from tests.visitor import Visitor
from tests.web.test_permissions import EVERYTHING

NORA = {
    "name": "Nora Lund",
    "email": "Nora@example.com",
    "team": "Front Desk",
    "timezone": "Europe/Oslo",
    "password": PASSWORD,
    "again": PASSWORD,
}


@pytest.fixture
def empty(db: Database, clock: Clock) -> Flask:
    """The product as it is installed: with its tables, and nobody in them."""
    return create_app(settings.read(CONFIG), db, clock)


def visitor(app: Flask) -> Visitor:
    return Visitor(app, app.response_class)


def way_in(app: Flask, moment: object = NOON) -> str:
    """The address that the console shows, without its host."""
    shown = urlsplit(first_run.address(app.extensions["config"], NOON))
    return f"{shown.path}?{shown.query}"


def everybody(db: Database) -> list[Person]:
    with db.reading() as work:
        return list(work.exec(select(Person)))


def test_the_first_admin_comes_in_by_the_address_on_the_console(empty: Flask, db: Database) -> None:
    nora = visitor(empty)
    assert "Nobody is here yet" in nora.get("/sign-in").text
    assert 'value="Europe/Berlin"' in nora.get(way_in(empty)).text
    assert nora.submit(way_in(empty), NORA).headers["Location"] == "/admin/first-steps"
    assert "Bring your people" in nora.get("/admin/first-steps").text
    (person,) = everybody(db)
    assert (person.name, person.email, person.role) == ("Nora Lund", "nora@example.com", "admin")
    with db.reading() as work:
        team = work.get_one(Team, person.team_id)
    assert (team.name, team.timezone, team.first_week) == ("Front Desk", "Europe/Oslo", "2026-W47")
    again = visitor(empty)
    signed = again.submit("/sign-in", {"email": "nora@example.com", "password": PASSWORD})
    assert signed.headers["Location"] == "/"
    assert "Nobody is here yet" not in visitor(empty).get("/sign-in").text


def test_the_address_works_once_and_never_when_somebody_is_here(empty: Flask, db: Database) -> None:
    nora, stranger = visitor(empty), visitor(empty)
    nora.submit(way_in(empty), NORA)
    assert stranger.get(way_in(empty)).status_code == 404
    assert stranger.submit(way_in(empty), NORA | {"email": "x@example.com"}).status_code == 404
    with db.writing() as work:
        work.exec(select(Person)).one().active = False
    assert stranger.get(way_in(empty)).status_code == 404, "who left was here"
    assert len(everybody(db)) == 1


def test_a_made_up_address_is_no_page(empty: Flask, db: Database) -> None:
    stranger = visitor(empty)
    right = way_in(empty)
    for wrong in (
        "/first-run",
        "/first-run?token=",
        right[:-1],
        right + "x",
        "/first-run?token=1.2",
        "/first-run?token=\u3164",
    ):
        assert stranger.get(wrong).status_code == 404, wrong
        assert stranger.submit(wrong, NORA).status_code == 404, wrong
    elsewhere = create_app(settings.read(CONFIG.replace("only the tests", "only others")), db)
    assert stranger.get(way_in(elsewhere)).status_code == 404, "signed with another key"
    assert everybody(db) == []


def test_the_address_expires_after_a_day_and_says_how_to_get_another(
    empty: Flask, db: Database, clock: Clock
) -> None:
    late = way_in(empty)
    clock.forward(hours=24, seconds=1)
    page = visitor(empty).submit(late, NORA)
    assert page.status_code == 410
    assert "Restart the service" in page.text
    assert everybody(db) == []


def test_of_two_who_come_at_the_same_moment_one_is_the_first(empty: Flask, db: Database) -> None:
    forms = [NORA | {"email": f"n{number}@example.com", "team": f"Team {number}"} for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda form: visitor(empty).submit(way_in(empty), form).status_code, forms))
    assert answers.count(303) == 1, answers
    assert set(answers) <= {200, 303, 404}
    assert len(everybody(db)) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "\u3164"}, "name"),
        ({"email": "nora"}, "email"),
        ({"team": " "}, "team"),
        ({"timezone": "UTC+2"}, "timezone"),
        ({"password": "short", "again": "short"}, "password"),
        ({"again": "another one altogether"}, "again"),
    ],
)
def test_a_mistake_is_said_beside_its_field(
    empty: Flask, db: Database, wrong: dict[str, str], field: str
) -> None:
    page = visitor(empty).submit(way_in(empty), NORA | wrong)
    assert f'id="{field}-error"' in page.text
    assert "Nora" in page.text or "name" in wrong
    assert everybody(db) == []


def test_guessing_the_address_is_slowed_down(empty: Flask) -> None:
    stranger = visitor(empty)
    answers = [stranger.submit("/first-run?token=guess").status_code for _ in range(12)]
    assert answers == [404] * 10 + [429] * 2


def test_without_passwords_the_first_admin_signs_in_as_the_company_does(db: Database, clock: Clock) -> None:
    section = EVERYTHING.partition(CONFIG)[2] + "[sign_in]\npasswords = false\n"
    app = create_app(settings.read(CONFIG + section), db, clock)
    nora = visitor(app)
    assert 'type="password"' not in nora.get(way_in(app)).text
    assert nora.submit(way_in(app), NORA).headers["Location"] == "/sign-in"
    with db.writing() as work:
        claims = people.Claims("http://127.0.0.1:1", "7", "nora@example.com", True, None)
        found = people.person_of_claims(work, claims, create=False, zone="UTC", now=make.NOON)
    assert found.role == "admin"
