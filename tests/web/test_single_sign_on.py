"""Single sign-on with a provider that runs as a process of its own, over real HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from leaderboard import config, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person
from tests import make
from tests.conftest import CONFIG
from tests.make import Company
from tests.visitor import Visitor


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of an OpenID Connect provider that lets everybody be whom they say."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/.well-known/openid-configuration", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def somebody(db: Database, clock: make.Clock, issuer: str, more: str = "") -> Visitor:
    """A visitor of an installation with this provider."""
    section = f'[sign_in.oidc]\nissuer = "{issuer}"\nclient_id = "em"\nclient_secret = "s"\n{more}\n'
    app = create_app(config.read(CONFIG + section), db, clock)
    return Visitor(app, app.response_class)


def sign_on(visitor: Visitor, provider: str, subject: str, next_page: str = "") -> str:
    """Go the whole way; answers where one ends up."""
    away = visitor.get("/sign-in/single", query_string={"next": next_page}).headers["Location"]
    assert away.startswith(f"{provider}/oauth2/authorize?")
    back = httpx.post(away, data={"sub": subject}).headers["Location"]
    assert back.startswith("http://localhost/sign-in/single/back?")
    return visitor.get(back.removeprefix("http://localhost")).headers["Location"]


def known_as(provider: str, subject: str, **claims: object) -> None:
    httpx.put(f"{provider}/users/{subject}", json=claims).raise_for_status()


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/me").status_code == 200


def test_a_verified_address_signs_on_the_first_time_and_the_subject_ever_after(
    db: Database, company: Company, clock: make.Clock, provider: str
) -> None:
    known_as(provider, "a1", email="ANA@example.com", email_verified=True, name="Ana")
    visitor = somebody(db, clock, provider)
    assert sign_on(visitor, provider, "a1", "/me") == "/me"
    assert is_in(visitor)
    known_as(provider, "a1", email="ben@example.com", email_verified=True, name="Ana")
    again = somebody(db, clock, provider)
    assert sign_on(again, provider, "a1") == "/"
    assert "Ana" in again.get("/me").text
    with db.reading() as work:
        assert work.get_one(Person, company["ben"]).oidc_subject is None


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "ben@example.com", "email_verified": False},
        {"email": "ben@example.com"},
        {"email": "ben@example.com", "email_verified": "true"},
        {"email": "stranger@example.com", "email_verified": True},
        {},
    ],
)
def test_nobody_signs_on_as_somebody_by_an_address_alone(
    db: Database, company: Company, clock: make.Clock, provider: str, claims: dict[str, object]
) -> None:
    known_as(provider, "evil", **claims)
    visitor = somebody(db, clock, provider)
    assert sign_on(visitor, provider, "evil") == "/sign-in"
    assert not is_in(visitor)
    assert "Ask your admin" in visitor.get("/sign-in").text
    with db.reading() as work:
        assert work.get_one(Person, company["ben"]).oidc_subject is None
        assert people.find(work, "stranger@example.com") is None


def test_newcomers_are_created_where_the_config_says_so(
    db: Database, company: Company, clock: make.Clock, provider: str
) -> None:
    known_as(provider, "z9", email="zoe@example.com", email_verified=True, name="Zoe Lind")
    visitor = somebody(db, clock, provider, "create_people = true")
    assert sign_on(visitor, provider, "z9") == "/"
    with db.reading() as work:
        zoe = people.find(work, "zoe@example.com")
    assert zoe is not None
    assert (zoe.name, zoe.role, zoe.handle) == ("Zoe Lind", "member", "zoe-lind")


def test_an_answer_that_nobody_asked_for_signs_nobody_on(
    db: Database, company: Company, clock: make.Clock, provider: str
) -> None:
    known_as(provider, "a1", email="ana@example.com", email_verified=True)
    visitor, victim = somebody(db, clock, provider), somebody(db, clock, provider)
    away = visitor.get("/sign-in/single").headers["Location"]
    back = httpx.post(away, data={"sub": "a1"}).headers["Location"].removeprefix("http://localhost")
    for path in (back, "/sign-in/single/back", "/sign-in/single/back?error=access_denied", back[:-3] + "xxx"):
        assert victim.get(path).headers["Location"] == "/sign-in", path
        assert not is_in(victim)


def test_a_provider_that_is_gone_leaves_the_other_ways_open(
    db: Database, company: Company, clock: make.Clock, free_port: int
) -> None:
    visitor = somebody(db, clock, f"http://127.0.0.1:{free_port}")
    assert visitor.get("/sign-in/single").headers["Location"] == "/sign-in"
    page = visitor.get("/sign-in").text
    assert "did not work just now" in page
    assert 'name="password"' in page
