"""Sessions that end when they are ended: each has a row of its own, and a kept cookie is worth nothing without it."""

from typing import Any

from flask import Flask, Request, abort, g, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_security.utils import set_request_attr

from leaderboard import people
from leaderboard.database import pulse
from leaderboard.plugin import decode_json
from leaderboard.tables import Person
from leaderboard.web import access, config, db, now

KEPT = ("_user_id", "_fresh", "_id")
"""What Flask-Login puts into a session; nothing else survives signing in."""
CODE, SETTING_UP = "security.two_factor_token_validation", "validating_profile"
"""Where a second factor's code is asked for, and when that is a question to somebody who is signed in."""
NEEDS_PASSKEYS = "/me"
"""Below this address, and at Flask-Security's own, a person's passkeys are read along."""


def signed_in(epoch: object) -> Person | None:
    """Flask-Login's question at every request: whose session is this? A signed-out one's cookie is nobody's."""
    secret = session.get("signed_in")
    if not isinstance(epoch, str) or not isinstance(secret, str):
        return None
    passkeys = request.blueprint == "security" or request.path.startswith(NEEDS_PASSKEYS)
    with db().reading() as work:
        g.beats = pulse(
            work
        )  # before the person: a page may be newer than the pulse it is kept under, never older
        person = people.signed_in(work, epoch, secret, now(), passkeys=passkeys)
    if person is not None:  # so that Flask-Security knows how, and since when
        set_request_attr("fs_authn_via", "session")
        set_request_attr("fs_paa", session.get("fs_paa", 0))
    return person


def nobody(_: Request) -> None:
    """Flask-Security's own tokens, which it would take even from an address, are not used."""


def begin(app: Flask, user: Person, **_: Any) -> None:
    """What an earlier, unknown visitor had in the session does not become this person's."""
    if not user.active:
        abort(403)
    kept = {key: session[key] for key in KEPT if key in session}
    earlier = session.get("signed_in")
    session.clear()
    session.update(kept)
    session.permanent = True
    with db().writing() as work:
        if isinstance(earlier, str):
            people.sign_out(work, earlier)
        session["signed_in"] = people.sign_in(work, user.id or 0, now(), config().sign_in.session_hours)


def end(app: Flask, **_: Any) -> None:
    """Signing out ends the session on the server too."""
    secret = session.get("signed_in")
    session.clear()
    if isinstance(secret, str):
        with db().writing() as work:
            people.sign_out(work, secret)


def check_input() -> ResponseReturnValue | None:
    """What Flask-Security would take too easily: pages to go to next that are not ours, JSON of any depth."""
    if request.blueprint != "security":
        return None
    if request.endpoint == CODE and access.viewer() is not None and session.get("tf_state") != SETTING_UP:
        return redirect("/")  # it would sign out whoever follows a link to it
    if request.is_json:
        abort(415)
    if request.method == "POST" and (credential := request.form.get("credential")):
        decode_json(credential.encode("utf-8", "surrogatepass"))
    asked = request.args.getlist("next")
    if request.method == "POST":
        asked += request.form.getlist("next")
    if all(not address or access.is_our_page(address) for address in asked):
        return None
    if request.method == "POST":
        abort(400, "The page to go to next is not one of ours.")
    return redirect(request.path)
