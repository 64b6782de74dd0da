"""The blueprint of /api/v1, and what all its routes share: strict bodies, cursors, the words of an error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from apiflask import APIBlueprint
from apiflask.exceptions import HTTPError
from flask import Response, abort, current_app, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnprocessableEntity, UnsupportedMediaType

from leaderboard import people
from leaderboard.plugin import Invalid, decode_json
from leaderboard.web import config, errors
from leaderboard.web.access import me

PREFIX = "/api/v1"
WRITES = "120 per minute"
"""A person's rate for what changes something; the rules of fair play are stricter where it scores."""

api = APIBlueprint("api", __name__, url_prefix=PREFIX, tag="Extra Mile")


class StrictJSON(DefaultJSONProvider):
    """Reads every JSON body of the app as strictly as a delivery's: no second key, NaN, bomb, or half a character."""

    ensure_ascii = False
    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return decode_json(s.encode() if isinstance(s, str) else s)


class Mistakes(UnprocessableEntity):
    """What was sent can be read and cannot be right: every mistake with the field it is in."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in mistakes)[:2_000])
        self.errors = [{"field": field, "message": message} for field, message in mistakes]


@api.before_request
def read_strictly() -> None:
    """Refuse what no route can mean: a parameter twice, a NUL, a body that is not plain JSON, a body where none is expected."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise BadRequest(f"The parameter {name[:40]} stands there twice.")
        if "\0" in name or "\0" in values[0]:
            raise BadRequest("A parameter holds a NUL character.")
    if any("\0" in str(value) for value in (request.view_args or {}).values()):
        abort(404)
    if request.method != "POST":
        return
    body = request.get_data()
    if takes_body():
        if request.mimetype != "application/json" or request.content_encoding:
            raise UnsupportedMediaType("Send plain JSON, as Content-Type: application/json.")
    elif body and decode_json(body) != {}:
        raise BadRequest("This address takes no body.")


def takes_body() -> bool:
    """Whether the route that was asked for declares a body."""
    return "body" in getattr(current_app.view_functions[request.endpoint or ""], "_spec", {})


def by_person() -> str:
    """What limits count by: the person whose token it is, however many tokens they have."""
    return f"person/{me().id}"


@api.errorhandler(HTTPError)
def not_as_described(error: HTTPError) -> Response:
    """What a model refused, field by field."""
    mistakes = [
        (field, message.removeprefix("Value error, "))
        for fields in cast("dict[str, dict[str, list[str]]]", error.detail).values()
        for field, messages in fields.items()
        for message in messages
    ]
    return errors.answer(Mistakes(mistakes))


@api.errorhandler(Invalid)
def not_valid(error: Invalid) -> Response:
    """What a rule refused; without a field it is about the whole body."""
    if error.field in (None, "after"):  # a place in a list is no field of what was sent
        return errors.answer(BadRequest(error.message))
    return errors.answer(Mistakes([(error.field, error.message)]))


@contextmanager
def asked_of(what: str) -> Iterator[None]:
    """Say 404 where there is no such thing or it is not for this person, 403 where they may see it but not do this to it."""
    try:
        yield
    except PermissionError as error:
        abort(403, str(error))
    except LookupError as error:
        if type(error) is not LookupError:  # a KeyError is a bug and stays one
            raise
        abort(404, f"There is no such {what}, or it is not for you to see.")


def cursor(*place: int | str) -> str:
    """Where a list goes on, sealed for this route: nobody else can make one up, or read whose number ends a page."""
    return str(_seal().encrypt(json.dumps(place).encode()), "ascii")


def place(text: str | None) -> list[Any] | None:
    """What `cursor` was given; 400 for anything that it did not write."""
    if text is None:
        return None
    from cryptography.fernet import InvalidToken

    try:
        return list(decode_json(_seal().decrypt(text.encode())))
    except InvalidToken:
        raise BadRequest("`after` is not what an answer's `next` said; begin again without it.") from None


def _seal() -> Any:
    from cryptography.fernet import Fernet  # only lists that go on need it

    key = config().server.secret_key.get_secret_value()
    return Fernet(people.derived(key, f"cursor {request.endpoint}"))
