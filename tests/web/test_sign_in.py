"""Signing in and out: passwords, reset by mail, second factor, limits, and what ends a session."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import argon2.low_level
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from leaderboard import config, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Person
from tests import make
from tests.conftest import CONFIG, Mailbox
from tests.make import PASSWORD, Company
from tests.visitor import Visitor


@pytest.fixture
def passwords(db: Database, company: Company) -> None:
    """Ana and Ada have the password of the tests."""
    stored = people.hash_password(PASSWORD)
    with db.writing() as work:
        for handle in ("ana", "ada"):
            work.get_one(Person, company[handle]).password = stored


def sign_in(visitor: Visitor, email: str = "ana@example.com", password: str = PASSWORD) -> TestResponse:
    return visitor.submit("/sign-in", {"email": email, "password": password})


def is_in(client: FlaskClient) -> bool:
    return client.get("/me").status_code == 200


@pytest.mark.usefixtures("passwords")
def test_the_right_password_signs_in_whatever_the_spelling_of_the_address(visitor: Visitor) -> None:
    answer = sign_in(visitor, " ANA@Example.com ")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert is_in(visitor)


WRONG = [
    ("ana@example.com", "wrong password"),
    ("ana@example.com", PASSWORD + " "),
    ("ana@example.com", "x" * 1025),
    ("ana@example.com", "x" * 60_000),
    ("ana@example.com", PASSWORD + "\0"),
    ("nobody@example.com", PASSWORD),
    ("ben@example.com", PASSWORD),  # who has none yet
    ("' OR 1=1--@example.com", PASSWORD),
    ("ana@example.com\0", PASSWORD),
    ("%", PASSWORD),
]


@pytest.mark.usefixtures("passwords")
def test_whatever_is_wrong_the_answer_is_the_same(visitor: Visitor) -> None:
    for email, password in WRONG:
        answer = sign_in(visitor, email, password)
        assert answer.status_code == 200, email
        assert "The address or the password is not right." in answer.text, email
        assert not is_in(visitor)


@pytest.mark.usefixtures("passwords")
def test_a_leaver_is_answered_like_a_stranger(visitor: Visitor, db: Database, company: Company) -> None:
    with db.writing() as work:
        people.deactivate(work, work.get_one(Person, company["ana"]), make.NOON)
    assert "The address or the password is not right." in sign_in(visitor).text


class Hashing:
    """Counts what takes the time of a sign-in: each Argon2 computation, whoever asks for it."""

    def __init__(self, library: object) -> None:
        self._library = library
        self.count = 0

    def __getattr__(self, name: str) -> object:
        self.count += name in ("argon2_hash", "argon2_verify", "argon2_ctx")
        return getattr(self._library, name)


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    counting = Hashing(argon2.low_level.lib)
    monkeypatch.setattr(argon2.low_level, "lib", counting)
    return counting


@pytest.mark.usefixtures("passwords")
def test_an_unknown_address_costs_as_much_as_a_known_one(
    visitor: Visitor, hashing: Hashing, db: Database, company: Company
) -> None:
    """Counted, not timed: nobody learns by a clock who is known here."""
    with db.writing() as work:
        people.deactivate(work, work.get_one(Person, company["chris"]), make.NOON)
    whoever = ("ana", "ben", "chris", "nobody", "'or'1'='1", "ANA")  # ben has no password yet, chris left
    for who in whoever:
        before = hashing.count
        sign_in(visitor, f"{who}@example.com", "wrong password")
        assert hashing.count - before == 1, who


@pytest.mark.usefixtures("passwords")
def test_asking_for_a_letter_costs_as_much_for_a_stranger(visitor: Visitor, hashing: Hashing) -> None:
    for who in ("ana", "ben", "nobody", "somebody-else"):
        before = hashing.count
        visitor.submit("/sign-in/forgot", {"email": f"{who}@example.com"})
        assert hashing.count - before == 1, who


@pytest.mark.usefixtures("passwords")
def test_a_cookie_kept_over_signing_out_is_worth_nothing(visitor: Visitor) -> None:
    sign_in(visitor)
    kept = visitor.get_cookie("extra_mile")
    assert kept is not None
    assert visitor.submit("/sign-out").status_code == 302
    assert not is_in(visitor)
    visitor.set_cookie("extra_mile", kept.value)
    assert not is_in(visitor)


@pytest.mark.usefixtures("passwords")
def test_signing_out_leaves_other_devices_signed_in(app: Flask, visitor: Visitor) -> None:
    other = Visitor(app, app.response_class)
    sign_in(visitor)
    sign_in(other)
    kept = visitor.get_cookie("extra_mile")
    assert kept is not None
    visitor.submit("/sign-out")
    assert is_in(other)
    visitor.set_cookie("extra_mile", kept.value)
    assert not is_in(visitor), "one session's cookie does not live on another's"


@pytest.mark.usefixtures("passwords")
def test_nothing_of_an_earlier_session_survives_signing_in(visitor: Visitor) -> None:
    token = visitor.csrf_token()
    with visitor.session_transaction() as session:
        session["planted"] = "by somebody else"
    sign_in(visitor)
    with visitor.session_transaction() as session:
        assert "planted" not in session
    assert visitor.post("/sign-out", data={"csrf_token": token}).status_code == 400, "nor does its CSRF token"


@pytest.mark.usefixtures("passwords")
def test_there_is_no_cookie_that_remembers_longer_than_the_session(visitor: Visitor) -> None:
    answer = visitor.submit("/sign-in", {"email": "ana@example.com", "password": PASSWORD, "remember": "y"})
    assert [c.partition("=")[0] for c in answer.headers.getlist("Set-Cookie")] == ["extra_mile"]
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.usefixtures("passwords")
def test_a_session_ends_when_the_config_says_so(visitor: Visitor, clock: make.Clock) -> None:
    sign_in(visitor)
    clock.forward(hours=24 * 14 - 1)
    assert is_in(visitor)
    clock.forward(hours=1)
    assert not is_in(visitor)


@pytest.mark.usefixtures("passwords")
def test_a_session_of_another_form_is_nobodys(visitor: Visitor) -> None:
    sign_in(visitor)
    with visitor.session_transaction() as session:
        good = dict(session)
    for key in ("_user_id", "signed_in"):
        for value in (["1"], {"a": 1}, 5, None, ""):
            with visitor.session_transaction() as session:
                session.update(good | {key: value})
            assert visitor.get("/me").status_code == 302, (key, value)


@pytest.mark.usefixtures("passwords")
def test_signing_out_everywhere_ends_other_devices_too(app: Flask, visitor: Visitor) -> None:
    other = Visitor(app, app.response_class)
    sign_in(visitor)
    sign_in(other)
    visitor.submit("/me/sign-out-everywhere")
    assert not is_in(visitor)
    assert not is_in(other)


@pytest.mark.usefixtures("passwords")
def test_a_new_password_ends_other_devices_and_tokens_but_not_this_one(
    app: Flask, visitor: Visitor, db: Database, company: Company
) -> None:
    other = Visitor(app, app.response_class)
    sign_in(visitor)
    sign_in(other)
    with db.writing() as work:
        token = people.token_create(work, work.get_one(Person, company["ana"]), ["read"], None, make.NOON)
    new = "an evening walk in december"
    answer = visitor.submit(
        "/me/password", {"password": PASSWORD, "new_password": new, "new_password_confirm": new}
    )
    assert answer.headers["Location"] == "/me/security"
    assert is_in(visitor)
    assert not is_in(other)
    with db.reading() as work:
        assert people.person_of_token(work, token, make.NOON) is None
    visitor.submit("/sign-out")
    assert sign_in(visitor).status_code == 200
    assert sign_in(visitor, password=new).status_code == 302


@pytest.mark.usefixtures("passwords")
def test_a_password_that_is_too_short_or_long_is_refused(visitor: Visitor) -> None:
    sign_in(visitor)
    for new in ("short", "", "x" * 1025, "a password with \0 in it"):
        answer = visitor.submit(
            "/me/password", {"password": PASSWORD, "new_password": new, "new_password_confirm": new}
        )
        assert answer.status_code == 200
        assert "field-error" in answer.text


# --- where to go next ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("passwords")
def test_after_signing_in_one_lands_where_one_wanted_to_be(visitor: Visitor) -> None:
    answer = visitor.submit(
        "/sign-in", {"email": "ana@example.com", "password": PASSWORD, "next": "/me?from=here"}
    )
    assert answer.headers["Location"] == "/me?from=here"


ELSEWHERE = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "http:///evil.example",
    "///evil.example",
    "////evil.example",
    "java\tscript:alert(1)",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%2f%2fevil.example",
    "%2f%2fevil.example",
    "/\r\nSet-Cookie: a=b",
    "https://localhost@evil.example",
    "/no-such-page",
    "/sign-in?next=/sign-in",
    "/sign-out",
    "evil.example",
    ".",
    "\u2028//evil.example",
    "/me" + "/x" * 2000,
]


def test_nobody_is_sent_to_a_page_that_is_not_ours(visitor: Visitor) -> None:
    for address in ELSEWHERE:
        asked = visitor.get("/sign-in", query_string={"next": address})
        assert asked.headers.get("Location") == "/sign-in", address
        for path in ("/sign-in/passkey", "/sign-in/code"):
            assert visitor.submit(path, {"next": address}).status_code == 400, address


# --- a forgotten password -----------------------------------------------------------------------------------


@pytest.fixture
def mailing(db: Database, company: Company, clock: make.Clock, smtp: Mailbox) -> Visitor:
    """Somebody at an installation that sends mail, and stands behind another name than the browser is told."""
    text = CONFIG.replace("http://localhost", "https://miles.example.com") + (
        f'[mail]\nserver = "127.0.0.1"\nport = {smtp.port}\nsecurity = "none"\nsender = "em@example.com"\n'
    )
    app = create_app(config.read(text), db, clock)
    app.config["SESSION_COOKIE_SECURE"] = False
    return Visitor(app, app.response_class)


def wait_for(mailbox: Mailbox, letters: int) -> None:
    for _ in range(200):
        if len(mailbox.messages) >= letters:
            return
        time.sleep(0.05)
    raise AssertionError(f"{len(mailbox.messages)} letters came")


def link_in(mailbox: Mailbox) -> str:
    text = mailbox.messages[-1].get_content()  # type: ignore[attr-defined]
    found = re.search(r"https://miles\.example\.com(/sign-in/forgot/\S+)", text)
    assert found, text
    return found[1]


@pytest.mark.usefixtures("passwords")
def test_a_forgotten_password_is_set_anew_by_mail_once(mailing: Visitor, smtp: Mailbox, app: Flask) -> None:
    signed_in_before = Visitor(app, app.response_class)
    sign_in(signed_in_before)
    assert signed_in_before.get("/me").status_code == 200
    token = mailing.csrf_token()
    cookie = mailing.get_cookie("extra_mile")
    assert cookie is not None
    poisoned = {"Host": "evil.example", "Cookie": f"extra_mile={cookie.value}"}
    form = {"email": "ana@example.com", "csrf_token": token}
    without_jar = FlaskClient(mailing.application, use_cookies=False)
    assert without_jar.post("/sign-in/forgot", data=form, headers=poisoned).status_code == 200
    wait_for(smtp, 1)
    link = link_in(smtp)
    assert smtp.recipients == [["ana@example.com"]]
    assert mailing.get(link).status_code == 200
    new = {"password": "an evening walk in december", "password_confirm": "an evening walk in december"}
    assert mailing.submit(link, new).headers["Location"] == "/sign-in"
    wait_for(smtp, 2)
    assert not is_in(signed_in_before), "everybody who was signed in as Ana is out"
    assert sign_in(mailing, password=new["password"]).status_code == 302
    mailing.submit("/sign-out")
    assert mailing.get(link).headers["Location"] == "/sign-in/forgot", "the link worked once"


@pytest.mark.usefixtures("passwords")
def test_asking_for_a_new_password_tells_nobody_who_is_known_here(mailing: Visitor, smtp: Mailbox) -> None:
    known = mailing.submit("/sign-in/forgot", {"email": "ana@example.com"})
    wait_for(smtp, 1)
    unknown = mailing.submit("/sign-in/forgot", {"email": "nobody@example.com"})
    plain = [re.sub(r'(value|token)="[^"]*"', "", answer.text) for answer in (known, unknown)]
    assert plain[0] == plain[1]
    assert "a letter with a link is on its way" in known.text
    assert len(smtp.messages) == 1


def test_a_made_up_link_is_refused(visitor: Visitor) -> None:
    new = {"password": "x" * 12, "password_confirm": "x" * 12}
    for token in ("x", "WyJhIl0.x.y", "é", "%00", "a" * 5000):
        assert visitor.get(f"/sign-in/forgot/{token}").headers["Location"] == "/sign-in/forgot"
        assert visitor.submit(f"/sign-in/forgot/{token}", new).headers["Location"] == "/sign-in/forgot"


# --- second factor ------------------------------------------------------------------------------------------


def code_of(app: Flask, secret: str, ahead: int = 0) -> str:
    totp = app.extensions["security"].totp_factory._totp.from_source(secret)
    moment = int(time.time()) + 30 * ahead
    return str(totp.generate(moment).token)


def switch_on(app: Flask, visitor: Visitor) -> str:
    """Set the second factor up through the pages; answers its stored secret."""
    page = visitor.submit("/me/second-factor", {"setup": "authenticator"}).text
    assert 'src="data:image/svg+xml' in page
    found = re.search(r'action="(/me/second-factor/[^"]+)"', page)
    assert found
    with visitor.session_transaction() as session:
        secret = session["tf_totp_secret"]
    answer = visitor.submit(found[1], {"code": code_of(app, secret, -1)})
    assert answer.headers["Location"] == "/me/security"
    return str(secret)


@pytest.mark.usefixtures("passwords")
def test_with_a_second_factor_the_password_alone_is_not_enough(app: Flask, visitor: Visitor) -> None:
    sign_in(visitor)
    secret = switch_on(app, visitor)
    visitor.submit("/sign-out")
    answer = sign_in(visitor)
    assert answer.headers["Location"].startswith("/sign-in/code")
    assert not is_in(visitor)
    assert visitor.submit("/sign-in/code", {"code": "000000"}).status_code == 200
    assert not is_in(visitor)
    code = code_of(app, secret)
    assert visitor.submit("/sign-in/code", {"code": code}).headers["Location"] == "/"
    assert is_in(visitor)
    visitor.submit("/sign-out")
    sign_in(visitor)
    assert visitor.submit("/sign-in/code", {"code": code}).status_code == 200, "a code works once"
    assert not is_in(visitor)


@pytest.mark.usefixtures("passwords")
def test_a_recovery_code_signs_in_once(app: Flask, visitor: Visitor, db: Database, company: Company) -> None:
    sign_in(visitor)
    switch_on(app, visitor)
    page = visitor.submit("/me/recovery-codes").text
    codes = re.findall(r"<li><code>([^<]+)</code>", page)
    assert len(codes) == 8
    with db.reading() as work:
        stored = " ".join(work.get_one(Person, company["ana"]).mf_recovery_codes or [])
    assert not any(code in stored for code in codes), "they are not stored as they are"
    visitor.submit("/sign-out")
    sign_in(visitor)
    assert visitor.submit("/sign-in/recovery", {"code": codes[0]}).headers["Location"] == "/"
    assert is_in(visitor)
    assert "7 recovery codes are left" in visitor.get("/me/security").text
    visitor.submit("/sign-out")
    sign_in(visitor)
    assert visitor.submit("/sign-in/recovery", {"code": codes[0]}).status_code == 200
    assert not is_in(visitor)


@pytest.mark.usefixtures("passwords")
def test_after_a_change_of_the_secret_key_a_second_factor_lets_nobody_in(
    app: Flask, visitor: Visitor, db: Database, clock: make.Clock
) -> None:
    sign_in(visitor)
    secret = switch_on(app, visitor)
    other = create_app(config.read(CONFIG.replace("only the tests", "some other tests")), db, clock)
    changed = Visitor(other, other.response_class)
    assert sign_in(changed).headers["Location"].startswith("/sign-in/code")
    assert changed.submit("/sign-in/code", {"code": code_of(app, secret)}).status_code == 200
    assert changed.submit("/sign-in/recovery", {"code": "0000-0000-0000"}).status_code == 200
    assert not is_in(changed)


def test_the_second_step_is_closed_to_whom_has_not_done_the_first(visitor: Visitor) -> None:
    for path in ("/sign-in/code", "/sign-in/recovery", "/sign-in/choose", "/sign-in/help"):
        assert visitor.submit(path, {"code": "000000"}).headers["Location"] == "/sign-in"


@pytest.mark.usefixtures("passwords")
def test_what_protects_an_account_changes_only_soon_after_a_password_was_given(visitor: Visitor) -> None:
    sign_in(visitor)
    with visitor.session_transaction() as session:
        session["fs_paa"] = time.time() - timedelta(hours=2).total_seconds()
        session.pop("fs_gexp", None)
    for path in ("/me/second-factor", "/me/recovery-codes", "/me/passkeys"):
        assert visitor.get(path).headers["Location"].startswith("/me/confirm"), path
    answer = visitor.submit("/me/tokens", {"name": "x", "scopes": "read", "days": "30"})
    assert answer.headers["Location"].startswith("/me/confirm")
    assert visitor.submit("/me/confirm", {"password": "wrong password"}).status_code == 200
    assert visitor.submit("/me/confirm", {"password": PASSWORD}).headers["Location"] == "/me/security"
    assert visitor.get("/me/recovery-codes").status_code == 200


# --- limits against guessing ----------------------------------------------------------------------------------

TOO_LONG = "x" * 1025
"""A wrong password that is refused before anything is hashed: these tests are about counting."""


@pytest.mark.usefixtures("passwords")
def test_guessing_at_one_account_is_stopped_whatever_address_it_claims_to_come_from(visitor: Visitor) -> None:
    answers = [
        visitor.submit(
            "/sign-in",
            {"email": f"{'ANA' if n % 2 else 'ana'}@example.com", "password": TOO_LONG},
            headers={"X-Forwarded-For": f"10.0.0.{n}"},
        ).status_code
        for n in range(22)
    ]
    assert answers[:20] == [200] * 20
    assert answers[20:] == [429] * 2
    assert sign_in(visitor, "ada@example.com").status_code == 302, "others still sign in"


@pytest.mark.usefixtures("passwords")
def test_spraying_one_password_at_many_accounts_is_stopped(visitor: Visitor) -> None:
    answers = [
        visitor.submit(
            "/sign-in",
            {"email": f"p{n}@example.com", "password": TOO_LONG},
            headers={"X-Forwarded-For": f"10.0.0.{n}"},
        ).status_code
        for n in range(62)
    ]
    assert answers == [200] * 60 + [429] * 2


@pytest.mark.usefixtures("passwords")
def test_codes_of_the_second_factor_cannot_be_guessed_through(app: Flask, visitor: Visitor) -> None:
    sign_in(visitor)
    switch_on(app, visitor)
    visitor.submit("/sign-out")
    sign_in(visitor)
    answers = [visitor.submit("/sign-in/code", {"code": f"{n:06}"}).status_code for n in range(12)]
    assert answers == [200] * 10 + [429] * 2


@pytest.mark.usefixtures("passwords")
def test_limits_hold_across_processes(
    db: Database, company: Company, clock: make.Clock, valkey_url: str
) -> None:
    text = CONFIG.replace("[database]", f'processes = 2\n[redis]\nurl = "{valkey_url}"\n[database]')
    apps = [create_app(config.read(text), db, clock) for _ in range(2)]
    visitors = [Visitor(app, app.response_class) for app in apps]
    answers = [sign_in(visitors[n % 2], password=TOO_LONG).status_code for n in range(22)]
    assert answers == [200] * 20 + [429] * 2


def test_several_processes_without_a_shared_store_do_not_start(db: Database, clock: make.Clock) -> None:
    text = CONFIG.replace("[database]", "processes = 2\n[database]")
    with pytest.raises(config.ConfigError, match=r"\[redis\] url"):
        create_app(config.read(text), db, clock)


# --- bad input ----------------------------------------------------------------------------------------------


NO_PASSKEYS = [
    "x",
    "[]",
    "{}",
    "[" * 60_000,
    '{"id": 5, "rawId": 5, "response": 5, "type": 5}',
    (
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"authenticatorData": "AA", '
        '"clientDataJSON": "AA", "signature": "AA", "userHandle": null}}'
    ),
    (
        '{"id": "é", "rawId": "é", "type": "public-key", "response": {"authenticatorData": "é", '
        '"clientDataJSON": "é", "signature": "é", "userHandle": "é"}}'
    ),
    '{"a": NaN}',
    "\0",
    "\ud800",
]


def test_what_is_no_passkey_is_refused(visitor: Visitor) -> None:
    page = visitor.submit("/sign-in/passkey").text
    found = re.search(r'action="(/sign-in/passkey/[^"]+)"', page)
    assert found
    for credential in NO_PASSKEYS:
        body = {
            "credential": credential.encode("utf-8", "surrogatepass"),
            "csrf_token": visitor.csrf_token(),
        }
        assert visitor.post(found[1], data=body).status_code in (302, 400), credential[:80]
        assert not is_in(visitor)


def test_json_is_not_taken_where_forms_are(visitor: Visitor) -> None:
    for path in ("/sign-in", "/sign-in/forgot", "/sign-in/code", "/sign-in/passkey"):
        answer = visitor.post(
            path, json={"email": "ana@example.com"}, headers={"X-CSRFToken": visitor.csrf_token()}
        )
        assert answer.status_code == 415


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_takes_nothing_is_told_apart_from_a_wrong_password(
    visitor: Visitor, db: Database
) -> None:
    with db.engine.connect() as other:
        other.exec_driver_sql("UPDATE person SET theme = theme")  # holds the file until it is rolled back
        answer = sign_in(visitor)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert sign_in(visitor).status_code == 302, "it heals by itself"


# --- tokens on the page ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("passwords")
def test_a_token_is_shown_once_and_can_be_ended(visitor: Visitor, db: Database) -> None:
    sign_in(visitor)
    page = visitor.submit("/me/tokens", {"name": "Wall display", "scopes": ["read"], "days": "30"}).text
    found = re.search(r'<code class="token">(em_[\w-]+)</code>', page)
    assert found
    with db.reading() as work:
        assert people.person_of_token(work, found[1], make.NOON)
    page = visitor.get("/me/security").text
    assert found[1] not in page
    assert "Wall display" in page
    action = re.search(r'action="(/me/tokens/\d+/revoke)"', page)
    assert action
    visitor.submit(action[1])
    with db.reading() as work:
        assert people.person_of_token(work, found[1], make.NOON) is None


@pytest.mark.usefixtures("passwords")
def test_a_member_makes_no_token_that_administers(visitor: Visitor) -> None:
    sign_in(visitor)
    answer = visitor.submit("/me/tokens", {"name": "x", "scopes": ["admin"], "days": "30"})
    assert "em_" not in answer.text


# --- settings -----------------------------------------------------------------------------------------------


def test_settings_are_kept_and_refusals_stand_beside_their_field(
    client_of: Callable[[str], Visitor], db: Database, company: Company
) -> None:
    ana = client_of("ana")
    chosen = {
        "name": "Ana María",
        "visibility": "alias",
        "alias": "Comet",
        "timezone": "Asia/Tokyo",
        "locale": "en",
        "theme": "dark",
        "away_from": "2026-12-01",
        "away_until": "2026-12-24",
        "role": "admin",
        "team_id": "2",
        "active": "",
    }
    assert ana.submit("/me", chosen).status_code == 303
    with db.reading() as work:
        stored = work.get_one(Person, company["ana"])
    assert (stored.name, stored.alias, stored.role, stored.team_id) == (
        "Ana María",
        "Comet",
        "member",
        company.teams["Care"],
    )
    refused = ana.submit("/me", chosen | {"timezone": "Mars/Phobos", "name": "Lost?"})
    assert 'id="timezone-error"' in refused.text
    assert "Lost?" in refused.text, "what was typed is still there"


def test_every_page_has_its_headers_and_runs_no_inline_code(
    client_of: Callable[[str], Visitor], visitor: Visitor
) -> None:
    ana = client_of("ana")
    for client, path in (
        (visitor, "/sign-in"),
        (visitor, "/sign-in/forgot"),
        (ana, "/me"),
        (ana, "/me/security"),
        (ana, "/me/password"),
        (ana, "/me/second-factor"),
        (ana, "/me/recovery-codes"),
        (ana, "/me/passkeys"),
        (ana, "/me/confirm"),
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text), path


def test_the_door_shows_whose_house_it_is(db: Database) -> None:
    for name, settings in (("", ""), ("Northgate & Sons", 'company = "Northgate & Sons"')):
        app = create_app(config.read(CONFIG.replace("[server]", f"[server]\n{settings}")), db, make.Clock())
        page = app.test_client().get("/sign-in").text
        assert ("Northgate &amp; Sons" in page) == ('class="door-name"' in page) == bool(name)
