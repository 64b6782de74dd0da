"""Error pages: what happened, what to do now, and a reference number that the log has too."""

import logging
import re
import secrets

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable

from leaderboard.database import Unavailable
from leaderboard.guidelines import N_
from leaderboard.plugin import Invalid

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
MACHINES = ("/api/", "/hooks/", "/healthz", "/metrics")
"""Addresses that programs call: they are told in JSON."""

PAGES = {
    400: (
        N_("That did not reach us whole"),
        N_("Go back, load the page again and send it once more. Nothing was saved."),
    ),
    401: (N_("Please sign in first"), N_("This page is for people of your company.")),
    403: (
        N_("This is not yours to open"),
        N_("If you think it should be, ask your team lead or an admin."),
    ),
    404: (
        N_("There is nothing here"),
        N_("The address may have a typing mistake, or what stood here is gone or not meant for you."),
    ),
    405: (N_("It does not work this way"), N_("Go back and use the button on the page.")),
    413: (
        N_("That is too much at once"),
        N_("A form may hold 64 KB. Shorten the text and send it again; nothing was saved."),
    ),
    429: (
        N_("A little slower, please"),
        N_("That was often in a short time. Wait a few minutes, then go on. Nothing is lost."),
    ),
    500: (
        N_("Something broke on our side"),
        N_("Nothing was saved by half. Try it once more; if it happens again, pass the number below on."),
    ),
    503: (
        N_("Back in a moment"),
        N_("The database cannot answer just now. Nothing was lost: wait a few seconds and try again."),
    ),
}


def install(app: Flask) -> None:
    """Answer every error by a page, or by JSON where a program asked."""
    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(Unavailable, unavailable)
    app.register_error_handler(Invalid, invalid)
    # Flask would log it as well, with the whole address and without the reference number
    app.log_exception = lambda exc_info: None  # type: ignore[method-assign]


def unavailable(error: Unavailable) -> Response:
    """The database is locked, full or gone: the sender may come again soon."""
    log.warning("the database is unavailable: %s", error)
    return answer(ServiceUnavailable(retry_after=RETRY_SECONDS))


def invalid(error: Invalid) -> Response:
    """Input that no form has caught: its message says what to do."""
    return answer(BadRequest(error.message), error.message)


def answer(error: HTTPException, words: str | None = None) -> Response:
    """The page (or problem+json) for an error, with its own headers (Allow, Retry-After) and a reference number.

    `words` stand in place of what the page says to its code.
    """
    if error.response is not None:
        return make_response(error.response)
    if isinstance(
        getattr(error, "original_exception", None), Unavailable
    ):  # met while an answer was being finished
        error = ServiceUnavailable(retry_after=RETRY_SECONDS)
    code = error.code or 500
    reference = secrets.token_hex(4)
    if code >= 500:
        # Who is signed in may be the very thing that could not be read: the page does without (Flask-Login looks here first).
        g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]
        cause = getattr(error, "original_exception", None)
        log.error(
            "%s %s failed, reference %s",
            request.method,
            path(),
            reference,
            exc_info=cause,
            extra={"reference": reference, "status": code},
        )
    if request.path.startswith(MACHINES):
        problem = {"type": "about:blank", "title": error.name, "status": code, "detail": error.description}
        response = jsonify(problem | {"reference": reference, "errors": getattr(error, "errors", [])})
        response.mimetype = "application/problem+json"
    else:
        title, text = PAGES.get(code) or PAGES[500 if code >= 500 else 400]
        page = render_template(
            "error.html",
            code=code,
            title=_(title),
            text=words or _(text),
            reference=reference,
            looked_for=looked_for(),
        )
        response = make_response(page)
    response.status_code = code
    response.headers.extend(
        (name, value) for name, value in error.get_headers(request.environ) if name != "Content-Type"
    )
    return response


def looked_for() -> str:
    """The words at the end of an address that leads nowhere, to search for: "blue shirt" of /blue-shirt.

    Nothing of an address that holds more than words, or that is one of ours: it may be what only its holder may know.
    """
    if request.url_rule and "handle" not in (request.view_args or {}):
        return ""
    last = request.path.rstrip("/").rpartition("/")[2]
    return re.sub(r"[-_.]", " ", last) if re.fullmatch(r"[^\W\d_]+(?:[-_. ][^\W\d_]+)*", last) else ""


def path() -> str:
    """The path that was asked for, without what only its holder may know: a link that sets a password or signs in."""
    token = (request.view_args or {}).get("token")
    return request.path.replace(token, "…") if token else request.path
