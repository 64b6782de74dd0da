"""Who may open what. Every route is for signed-in people unless it says otherwise, with @public, @lead_only or @admin_only.

Machines come with tokens to /api/v1 and /metrics (and only there), helpdesks with their own proof to /hooks; everybody else
with a session, whose forms carry a CSRF token.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue, ResponseValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user
from flask_wtf import CSRFProtect
from sqlmodel import Session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized
from werkzeug.routing import RequestRedirect

from leaderboard import people
from leaderboard.config import Config, ConfigError
from leaderboard.tables import Person
from leaderboard.web import db, now

View = TypeVar("View", bound=Callable[..., Any])

API = "/api/"
HOOKS = "/hooks/"
METRICS = "/metrics"
SAFE = ("GET", "HEAD", "OPTIONS")


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions in a signed cookie, for pages: what a helpdesk sends is let in by its own proof alone."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return None if request.path.startswith(HOOKS) else super().open_session(app, request)


def public(view: View) -> View:
    """This route is for everybody, signed in or not."""
    return _mark(view, "public")


def lead_only(view: View) -> View:
    """This route is for leads and admins; which teams they lead is the route's own question (`leads`)."""
    return _mark(view, "lead")


def admin_only(view: View) -> View:
    """This route is for admins."""
    return _mark(view, "admin")


def proves_itself(view: View) -> View:
    """What this route's address holds proves who asks, so a form's token is not wanted: a machine may post to it."""
    view.proves_itself = True  # type: ignore[attr-defined]
    return view


def _mark(view: View, who: str) -> View:
    view.access = who  # type: ignore[attr-defined]
    return view


def access_of(app: Flask, endpoint: str) -> str:
    """public, member, lead or admin: whom this endpoint is for."""
    if endpoint.rpartition(".")[2] == "static":
        return "public"
    return str(getattr(app.view_functions[endpoint], "access", "member"))


def me() -> Person:
    """The person who asks: signed in, or the holder of the token. 401 where there is nobody."""
    person = viewer()
    if person is None:
        abort(401)
    return person


def viewer() -> Person | None:
    """The person who asks, or None on a public page."""
    if holder := g.get("token_holder"):
        return cast("people.TokenHolder", holder).person
    if request.path.startswith((API, HOOKS, METRICS)):
        return None
    user = current_user._get_current_object()
    return cast("Person", user) if user.is_authenticated else None


def leads(session: Session, person: Person, team_id: int) -> bool:
    """Whether this person may act as a lead of that team: its leads by name, and admins."""
    return person.role == "admin" or people.leads(session, person, team_id)


def require_lead(session: Session, person: Person, team_id: int) -> None:
    """404 unless this person may act as a lead of that team: a foreign team and a missing one answer alike."""
    if not leads(session, person, team_id):
        abort(404)


def install(app: Flask, config: Config) -> None:
    """Ask at every request who it is and whether they may."""
    check_shared(config)
    # Checked by `admit`, which knows that machines bring other proof than a form's token.
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    CSRFProtect(app)
    app.before_request(admit)
    Limiter(
        get_remote_address,  # the socket's, or what [server] trusted_proxies vouch for: never a header anyone can send
        app=app,
        storage_uri=config.redis.url or "memory://",
        strategy="moving-window",
        in_memory_fallback_enabled=True,
        key_prefix="extra-mile",
    )


def check_shared(config: Config) -> None:
    """Refuse several processes whose limits against guessing would each count on their own."""
    if config.server.processes > 1 and not config.redis.url:
        raise ConfigError(
            f"[redis] url is needed when [server] processes is more than 1 (it is {config.server.processes}): limits against "
            "guessing must be shared. Name a Redis or Valkey that all of them reach, or serve with one process"
        )


def limited(
    rate: str, *, by: Callable[[], str] = get_remote_address, deduct_when: Any = None
) -> Callable[[View], View]:
    """Slow a route down to `rate` ("10 per minute") for each remote address, or for each answer of `by`.

    `deduct_when(response)` says which answers count; without it all do.
    """

    def mark(view: View) -> View:
        view.limits = [*getattr(view, "limits", []), (rate, by, deduct_when)]  # type: ignore[attr-defined]
        return view

    return mark


def apply_limits(app: Flask) -> None:
    """Put the limits that views carry as `limits` into force; after all routes are registered.

    Each is (how often, a function that names what is counted, a function that says which answers count or None). Where a
    form is posted only posts count.
    """
    limiter = next(iter(app.extensions["limiter"]))
    posted = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    for endpoint, view in list(app.view_functions.items()):
        for rate, by, deduct_when in getattr(view, "limits", []):
            app.view_functions[endpoint] = limiter.limit(
                rate,
                key_func=by,
                methods=["POST"] if endpoint in posted else None,
                deduct_when=deduct_when,
            )(app.view_functions[endpoint])


def admit() -> ResponseReturnValue | None:
    """Let the request through, send it to the sign-in page, or refuse it."""
    if request.routing_exception is not None and isinstance(request.routing_exception, RequestRedirect):
        return None
    if request.path.startswith(API) or request.path == METRICS:
        _admit_machine()
        return None
    if request.endpoint is None or request.path.startswith(HOOKS):
        return None
    who = access_of(current_app, request.endpoint)
    if who != "public" and not current_user.is_authenticated:
        return to_sign_in()
    view = current_app.view_functions[request.endpoint]
    if request.method not in SAFE and not getattr(view, "proves_itself", False):
        current_app.extensions["csrf"].protect()
    if not _is_for(who, viewer()):
        abort(403)
    return None


def _admit_machine() -> None:
    if request.endpoint is None:
        return
    who = access_of(current_app, request.endpoint)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        with db().reading() as session:
            g.token_holder = people.person_of_token(session, token.strip(), now())
    if who == "public":
        return
    holder = cast("people.TokenHolder | None", g.get("token_holder"))
    if holder is None:
        raise _bearer("A valid token is needed: Authorization: Bearer em_...")
    if not _is_for(who, holder.person):
        abort(403, f"Only for the role {who}.")
    needed = "admin" if who == "admin" else "read" if request.method in SAFE else "write"
    if needed not in holder.scopes:
        abort(403, f"The token needs the scope {needed}.")


def _bearer(description: str) -> HTTPException:
    return Unauthorized(description, www_authenticate=WWWAuthenticate("bearer"))


def _is_for(who: str, person: Person | None) -> bool:
    if who == "public":
        return True
    if person is None:
        return False
    return who == "member" or person.role == "admin" or (who == "lead" and person.role == "lead")


def to_sign_in() -> ResponseValue:
    """The sign-in page, with the way back; a form or a part of a page is told that it is 401."""
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": url_for("security.login")})
    if request.method not in SAFE:
        abort(401)
    back = request.full_path.rstrip("?")
    return redirect(url_for("security.login", next=None if back == "/" else back))


def is_our_page(address: str) -> bool:
    """Whether this is the path of one of our own pages that a browser may be sent to."""
    if not address.startswith("/") or address.startswith("//") or len(address) > 2000:
        return False
    if any(sign in address for sign in "\\\r\n\t\0") or not address.isprintable():
        return False
    path = address.partition("#")[0].partition("?")[0]
    adapter = current_app.create_url_adapter(request)
    if adapter is None:
        return False
    try:
        endpoint, _ = adapter.match(path, method="GET")
    except HTTPException:
        return False
    return endpoint not in ("security.login", "security.logout", "static")
