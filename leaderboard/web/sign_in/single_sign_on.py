"""Single sign-on with an OpenID Connect provider, where `[sign_in.oidc]` names one."""

import logging
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import requests
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Blueprint, Flask, abort, current_app, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_security import login_user
from requests.adapters import BaseAdapter

from leaderboard import outgoing, people
from leaderboard.config import OIDC
from leaderboard.plugin import Invalid
from leaderboard.web import config, db, now
from leaderboard.web.access import is_our_page, limited, public

log = logging.getLogger(__name__)
pages = Blueprint("single_sign_on", __name__)

TIMEOUT = 10
"""Seconds to wait for the provider."""
MOST = 1024 * 1024
"""Bytes of one of its answers."""


def install(app: Flask, oidc: OIDC) -> None:
    """Two addresses: the way to the provider, and the way back."""
    oauth = OAuth(app)
    oauth.register(
        "oidc",
        client_id=oidc.client_id,
        client_secret=oidc.client_secret.get_secret_value(),
        server_metadata_url=f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
    )
    issuer = urlsplit(oidc.issuer).hostname or ""
    oauth.oidc.client_cls = partial(_asking, Guarded({issuer, *oidc.hosts}))
    app.extensions["oidc"] = oauth.oidc
    app.register_blueprint(pages)


class Guarded(BaseAdapter):
    """The road of authlib's calls: to any public host and, inside the own network, to those that the config names.

    Where to fetch keys and tokens is the provider's word, not the operator's.
    """

    def __init__(self, inside: set[str]) -> None:
        super().__init__()
        self._inside = inside

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        try:
            with (
                outgoing.client(None, self._inside, TIMEOUT) as http,
                http.stream(
                    request.method or "",
                    request.url or "",
                    headers=cast("dict[str, str]", dict(request.headers)),
                    content=cast("bytes | None", request.body),
                ) as answer,
            ):
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MOST:
                        raise requests.ConnectionError("the provider's answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("single sign-on: %s", error)
            raise requests.ConnectionError(type(error).__name__) from error
        response.status_code, response._content = answer.status_code, body
        response.headers.update(answer.headers)
        response.url, response.request = request.url or "", request
        return response

    def close(self) -> None:
        """It holds nothing open."""


def _asking(road: Guarded, **settings: Any) -> OAuth2Session:
    """What authlib asks the provider with: no redirect is followed, nothing of the environment is used."""
    session = OAuth2Session(**settings)
    session.trust_env, session.max_redirects = False, 0
    session.mount("https://", road)
    session.mount("http://", road)
    return session


@pages.get("/sign-in/single")
@public
def start() -> ResponseReturnValue:
    """To the provider's own sign-in page."""
    wanted = request.args.get("next", "")
    session["after_sign_on"] = wanted if is_our_page(wanted) else "/"
    try:
        answer: ResponseReturnValue = _provider().authorize_redirect(config().public_url + url_for(".back"))
    except Exception as error:  # noqa: BLE001 (as below)
        _provider().server_metadata.clear()  # what was no good is asked for again
        return _failed("the provider could not be asked", error)
    return answer


@pages.get("/sign-in/single/back")
@public
@limited("60 per 15 minutes")
def back() -> ResponseReturnValue:
    """Back from the provider: who is it?"""
    settings = cast("OIDC", config().sign_in.oidc)
    wanted = session.get("after_sign_on", "/")
    try:
        claims = _claims()
        vouched = people.Claims(
            issuer=str(claims["iss"]),
            subject=str(claims["sub"]),
            email=claims.get("email"),
            email_verified=claims.get("email_verified") is True,
            name=claims.get("name"),
        )
    except Exception as error:  # noqa: BLE001 (what a provider says is not ours; authlib raises whatever it stumbles over)
        return _failed("the provider's answer was not good", error)
    try:
        with db().writing() as work:
            person = people.person_of_claims(
                work, vouched, create=settings.create_people, zone=config().week.timezone, now=now()
            )
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for("security.login"))
    login_user(person, authn_via=["oidc"])
    return redirect(wanted if isinstance(wanted, str) and is_our_page(wanted) else "/")


def _claims() -> dict[str, Any]:
    """What the provider's signed token says, and where it leaves the address out, its user info about the same subject."""
    provider = _provider()
    token = provider.authorize_access_token()
    claims: dict[str, Any] = dict(token["userinfo"])
    if "email" not in claims:
        more = provider.userinfo(token=token)
        if more["sub"] != claims["sub"]:  # OpenID Connect Core 5.3.2
            raise ValueError("the user info is about somebody else")
        claims = {**more, **claims}
    return claims


def _provider() -> Any:
    provider = current_app.extensions.get("oidc")
    if provider is None:
        abort(404)
    return provider


def _failed(what: str, error: Exception) -> ResponseReturnValue:
    log.warning("single sign-on: %s (%s)", what, type(error).__name__)
    flash(_("Single sign-on did not work just now. Try again, or sign in another way."), "error")
    return redirect(url_for("security.login"))
