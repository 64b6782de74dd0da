"""P27: what ends sessions and tokens, and that it does so at the next request; nothing that ended comes back."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask

from leaderboard import people
from leaderboard.database import Database
from leaderboard.tables import Person, Team
from leaderboard.web.sign_in import link_to_set_password
from tests import make
from tests.make import PASSWORD, Company
from tests.visitor import Visitor
from tests.web.test_sign_in import code_of

NEW = "an evening walk in december"
EVERYTHING = frozenset({"this browser", "another browser", "token", "half signed in", "reset link"})


@dataclass
class Open:
    """All the ways in which somebody is in, or half in."""

    app: Flask
    id: int
    handle: str
    this: Visitor
    other: Visitor
    half: Visitor
    token: str
    link: str
    secret: str

    def ended(self) -> set[str]:
        """Which of them do not work (any more)."""
        works = {
            "this browser": self.this.get("/me").status_code == 200,
            "another browser": self.other.get("/me").status_code == 200,
            "token": self._by_token() == 200,
            "reset link": self._visitor().get(self.link).status_code == 200,
            "half signed in": self._second_step(),
        }
        return {name for name, well in works.items() if not well}

    def _by_token(self) -> int:
        answer = self._visitor().get("/api/v1/people", headers={"Authorization": f"Bearer {self.token}"})
        return answer.status_code

    def _second_step(self) -> bool:
        self.half.submit("/sign-in/code", {"code": code_of(self.app, self.secret)})
        return self.half.get("/me").status_code == 200

    def _visitor(self) -> Visitor:
        return Visitor(self.app, self.app.response_class)


@pytest.fixture
def somebody(app: Flask, db: Database, company: Company, clock: make.Clock) -> Callable[[str], Open]:
    """`somebody("zoe")`: a new colleague with a second factor, signed in twice, and a third time by the password alone."""
    stored = people.hash_password(PASSWORD)

    def make_one(handle: str) -> Open:
        secret = app.extensions["security"].totp_factory.generate_totp_secret()
        with db.writing() as work:
            person = make.person(work, handle, work.get_one(Team, company.teams["Care"]))
            person.password, person.tf_primary_method, person.tf_totp_secret = stored, "authenticator", secret
            work.flush()
            number = person.id or 0
            token = people.token_create(work, person, ["read"], None, clock())
        visitors = [Visitor(app, app.response_class) for _ in range(3)]
        for visitor in visitors[:2]:
            visitor.sign_in(number)
        half = visitors[2].submit("/sign-in", {"email": f"{handle}@example.com", "password": PASSWORD})
        assert half.headers["Location"].startswith("/sign-in/code")
        with db.reading() as work, app.test_request_context():
            link = link_to_set_password(work.get_one(Person, number)).removeprefix("http://localhost")
        return Open(app, number, handle, *visitors, token, link, secret)

    return make_one


Act = Callable[[Open, Visitor], object]
ACTS: dict[str, tuple[Act, frozenset[str]]] = {
    "signing out": (lambda who, admin: who.this.submit("/sign-out"), frozenset({"this browser"})),
    "signing out everywhere": (lambda who, admin: who.this.submit("/me/sign-out-everywhere"), EVERYTHING),
    "a new password": (
        lambda who, admin: who.this.submit(
            "/me/password", {"password": PASSWORD, "new_password": NEW, "new_password_confirm": NEW}
        ),
        EVERYTHING - {"this browser"},
    ),
    "a password by a letter": (
        lambda who, admin: (
            admin.application.test_client().get("/sign-in")
            and Visitor(who.app, who.app.response_class).submit(
                who.link, {"password": NEW, "password_confirm": NEW}
            )
        ),
        EVERYTHING,
    ),
    "another role": (
        lambda who, admin: admin.submit(f"/admin/people/{who.handle}", fields(who, role="admin")),
        EVERYTHING,
    ),
    "a team to lead": (
        lambda who, admin: admin.submit("/admin/teams/shop/leads", {"person": who.handle, "do": "add"}),
        EVERYTHING,
    ),
    "another address": (
        lambda who, admin: admin.submit(f"/admin/people/{who.handle}", fields(who, email="new@example.com")),
        EVERYTHING,
    ),
    "leaving": (lambda who, admin: admin.submit(f"/admin/people/{who.handle}/deactivate"), EVERYTHING),
    "leaving and coming back": (
        lambda who, admin: (
            admin.submit(f"/admin/people/{who.handle}/deactivate")
            and admin.submit(f"/admin/people/{who.handle}/reactivate")
        ),
        EVERYTHING,
    ),
    "being signed out by an admin": (
        lambda who, admin: admin.submit(f"/admin/people/{who.handle}/sign-out"),
        EVERYTHING,
    ),
    "losing the phone": (
        lambda who, admin: admin.submit(f"/admin/people/{who.handle}/reset-second-factor"),
        EVERYTHING,
    ),
    "another name": (
        lambda who, admin: admin.submit(f"/admin/people/{who.handle}", fields(who, name="Zoe Lind")),
        frozenset(),
    ),
}


def fields(who: Open, **changed: str) -> dict[str, str]:
    """What the admin's form about a person sends."""
    whole = {"name": who.handle, "email": f"{who.handle}@example.com", "team": "care", "role": "member"}
    return whole | changed


def test_whatever_ends_a_session_ends_it_at_the_next_request(
    somebody: Callable[[str], Open], client_of: Callable[[str], Visitor]
) -> None:
    admin = client_of("ada")
    for number, (name, (act, expected)) in enumerate(ACTS.items()):
        who = somebody(f"somebody-{number}")
        act(who, admin)
        assert who.ended() == expected, name


def test_time_ends_sessions_and_tokens_by_itself(
    app: Flask, db: Database, somebody: Callable[[str], Open], clock: make.Clock
) -> None:
    who = somebody("zoe")
    hours = app.extensions["config"].sign_in.session_hours
    clock.forward(hours=hours)
    assert {"this browser", "another browser"} <= who.ended()


def test_an_ex_employee_has_no_way_back_in(
    app: Flask, somebody: Callable[[str], Open], client_of: Callable[[str], Visitor]
) -> None:
    """By none of the doors: password, code, recovery, a letter, a kept cookie, a token."""
    who = somebody("zoe")
    cookie = who.this.get_cookie("extra_mile")
    assert cookie is not None
    client_of("ada").submit("/admin/people/zoe/deactivate")
    visitor = Visitor(app, app.response_class)
    visitor.set_cookie("extra_mile", cookie.value)
    assert visitor.get("/me").status_code == 302
    answer = visitor.submit("/sign-in", {"email": "zoe@example.com", "password": PASSWORD})
    assert "The address or the password is not right." in answer.text
    assert not re.search("Zoe", answer.text)
    visitor.submit("/sign-in/forgot", {"email": "zoe@example.com"})
    assert visitor.get(who.link).headers["Location"] == "/sign-in/forgot"
    assert who.ended() == EVERYTHING
