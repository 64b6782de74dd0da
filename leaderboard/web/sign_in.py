"""Signing in by Flask-Security: password, second factor, passkeys and single sign-on, on our tables and sessions."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from flask import Flask, Request, abort, redirect, request, session
from flask.typing import ResponseReturnValue, ResponseValue
from flask_login import user_logged_in, user_logged_out
from flask_security import MailUtil, PasswordUtil, RoleMixin, Security
from flask_security.datastore import UserDatastore
from sqlalchemy import delete, inspect
from sqlalchemy.orm import selectinload
from sqlmodel import col, select

from leaderboard import people
from leaderboard.config import Config
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, WebAuthn
from leaderboard.web import access, config, db, now

KEPT = ("_user_id", "_fresh", "_id")
"""What Flask-Login puts into a session; nothing else survives signing in."""


def install(app: Flask, settings: Config) -> None:
    """Add /sign-in, /sign-out and what belongs to them."""
    app.config.update(_security_settings(settings))
    app.config.update(
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.sign_in.session_hours),
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    security = Security(app, Rows(), mail_util_cls=Mail, password_util_cls=Passwords)
    app.login_manager.user_loader(signed_in)  # type: ignore[attr-defined]
    app.login_manager.request_loader(nobody)  # type: ignore[attr-defined]
    security.unauthn_handler(unknown)
    user_logged_in.connect(begin_session, app)
    user_logged_out.connect(end_session, app)
    app.before_request(check_next)
    for endpoint in OPEN:
        if view := app.view_functions.get(f"security.{endpoint}"):
            access.public(view)


OPEN = (
    "login",
    "logout",
    "forgot_password",
    "reset_password",
    "two_factor_token_validation",
    "two_factor_rescue",
    "two_factor_select",
    "mf_recovery",
    "wan_signin",
    "wan_signin_response",
)
"""Flask-Security's endpoints for people who are not signed in yet (or not any more)."""


def _security_settings(settings: Config) -> dict[str, Any]:
    return {
        "SECURITY_LOGIN_URL": "/sign-in",
        "SECURITY_LOGOUT_URL": "/sign-out",
        "SECURITY_LOGOUT_METHODS": ["POST"],
        "SECURITY_STATIC_FOLDER": None,
        "SECURITY_STATIC_FOLDER_URL": None,
        "SECURITY_POST_LOGIN_VIEW": "/",
        "SECURITY_POST_LOGOUT_VIEW": "/sign-in",
        "SECURITY_API_ENABLED_METHODS": ["session"],
        "SECURITY_RETURN_GENERIC_RESPONSES": True,
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SCHEMES": ["argon2"],
        # Passwords must outlive a change of the secret key, so nothing but Argon2's own salt goes in.
        "SECURITY_PASSWORD_SINGLE_HASH": True,
        "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {
            "argon2__time_cost": people.hasher().time_cost,
            "argon2__memory_cost": people.hasher().memory_cost,
            "argon2__parallelism": people.hasher().parallelism,
        },
        "SECURITY_PASSWORD_LENGTH_MIN": 10,
        "SECURITY_CACHE_CONTROL": None,  # ours stand on every page
        "SECURITY_DATETIME_FACTORY": now,
    }


def derived(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose that tell nothing about the secret key or each other."""
    return hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)


def nobody(_: Request) -> None:
    """Flask-Security's own tokens, which it would take even from an address, are not used."""


def unknown(mechanisms: list[str] | None = None, headers: dict[str, str] | None = None) -> ResponseValue:
    """Flask-Security's question what to answer somebody who is not signed in."""
    return access.to_sign_in()


# --- sessions -----------------------------------------------------------------------------------------------


def signed_in(epoch: str) -> Person | None:
    """Flask-Login's question at every request: whose session is this? A signed-out one's cookie is nobody's."""
    secret = session.get("signed_in")
    if not isinstance(epoch, str) or not isinstance(secret, str):
        return None
    with db().reading() as work:
        return people.signed_in(work, epoch, secret, now())


def begin_session(app: Flask, user: Person, **_: Any) -> None:
    """What an earlier, unknown visitor had in the session does not become this person's."""
    kept = {key: session[key] for key in KEPT if key in session}
    earlier = session.get("signed_in")
    session.clear()
    session.update(kept)
    session.permanent = True
    with db().writing() as work:
        if isinstance(earlier, str):
            people.sign_out(work, earlier)
        session["signed_in"] = people.sign_in(work, user.id or 0, now(), config().sign_in.session_hours)


def end_session(app: Flask, **_: Any) -> None:
    """Signing out ends the session on the server too."""
    secret = session.pop("signed_in", None)
    session.clear()
    if isinstance(secret, str):
        with db().writing() as work:
            people.sign_out(work, secret)


def check_next() -> ResponseReturnValue | None:
    """Where to go after signing in is one of our own pages; Flask-Security would take any path."""
    if request.blueprint != "security":
        return None
    asked = [
        *request.args.getlist("next"),
        *(request.form.getlist("next") if request.method == "POST" else []),
    ]
    if all(not address or access.is_our_page(address) for address in asked):
        return None
    if request.method == "POST":
        abort(400, "The page to go to next is not one of ours.")
    return redirect(request.path)


# --- Flask-Security's way to our tables ----------------------------------------------------------------------


class Rows(UserDatastore):
    """People and passkeys for Flask-Security: it reads and changes detached rows, and `commit` writes what changed.

    A unit of work is open only while it writes: Flask-Security hashes passwords in between.
    """

    def __init__(self) -> None:
        super().__init__(Person, RoleMixin, WebAuthn)

    def find_user(self, case_insensitive: bool = False, **by: Any) -> Person | None:
        attribute, value = by.popitem()
        if isinstance(value, str) and ("\0" in value or not value.isprintable()):
            return None
        with db().reading() as work:
            return work.exec(
                select(Person)
                .options(selectinload(Person.webauthn))  # type: ignore[arg-type]
                .where(getattr(Person, attribute) == value)
            ).first()

    def find_webauthn(self, credential_id: bytes) -> WebAuthn | None:
        with db().reading() as work:
            return work.exec(select(WebAuthn).where(WebAuthn.credential_id == credential_id)).first()

    def create_webauthn(self, user: Person, **values: Any) -> None:  # type: ignore[override]
        moment = now()
        self.put(WebAuthn(user_id=user.id or 0, create_datetime=moment, lastuse_datetime=moment, **values))

    def put(self, row: Any) -> Any:
        _waiting("changed").append(row)
        return row

    def delete(self, row: Any) -> None:
        _waiting("gone").append(row)

    def commit(self) -> None:
        changed, gone = _waiting("changed"), _waiting("gone")
        if not changed and not gone:
            return
        with db().writing() as work:
            for row in changed:
                if row.id is None:
                    work.add(row)
                    continue
                stored = work.get(type(row), row.id)
                for name in _changed_columns(row) if stored else ():
                    setattr(stored, name, getattr(row, name))
            for row in gone:
                work.connection().execute(delete(type(row)).where(col(type(row).id) == row.id))
        changed.clear()
        gone.clear()


def _waiting(what: str) -> list[Any]:
    from flask import g

    if "rows_waiting" not in g:
        g.rows_waiting = {"changed": [], "gone": []}
    rows: list[Any] = g.rows_waiting[what]
    return rows


def _changed_columns(row: Any) -> Iterable[str]:
    state = inspect(row)
    return [a.key for a in state.mapper.column_attrs if state.attrs[a.key].history.has_changes()]


class Passwords(PasswordUtil):
    """Our bounds of a password."""

    def validate(self, password: str, is_register: bool, **about: Any) -> tuple[list[str] | None, str]:
        if len(password.encode("utf-8", "surrogatepass")) > people.MAX_PASSWORD_BYTES or "\0" in password:
            return ["A password has at most 1000 characters."], password
        problems, normal = super().validate(password, is_register, **about)
        return problems, normal


class Mail(MailUtil):
    """Addresses as `people` writes them; letters through our own mail."""

    def normalize(self, email: str) -> str:
        try:
            return people.normal_email(email)
        except Invalid as error:
            raise ValueError(error.message) from None

    validate = normalize
