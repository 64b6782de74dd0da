"""Bodies that are too large for a form, and bodies that come slowly."""

from collections.abc import Iterable
from threading import BoundedSemaphore
from typing import Any

from flask import current_app, request
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable

from leaderboard.web.access import API, HOOKS

PATIENCE = 0.25
"""Seconds to wait for one's turn to read. Who sends at once reads in thousandths of that."""
RETRY_AFTER = 5


ESCAPED = 3
"""Bytes that a form may need to send one: %E2."""


def bound_form() -> None:
    """Before a route reads it: a page's form holds MAX_FORM_MEMORY_SIZE of names and texts, however it is escaped.

    Werkzeug bounds so only forms that may hold files.
    """
    if request.mimetype != "application/x-www-form-urlencoded" or request.path.startswith((API, HOOKS)):
        return
    most: int = current_app.config["MAX_FORM_MEMORY_SIZE"]
    request.max_content_length = ESCAPED * most
    if request.content_length is None or request.content_length > most:
        words = (word for pair in request.form.items(multi=True) for word in pair)
        if sum(len(word.encode("utf-8", "surrogatepass")) for word in words) > most:
            raise RequestEntityTooLarge


class Turnstile:
    """A WSGI application in front of ours: at most `most` bodies are waited for at once, the next is asked to come again.

    The server reads a body in a thread of its own and waits as long as the sender likes; without this, as many slow senders as
    there are threads would close the product to all others.
    """

    def __init__(self, app: Any, most: int) -> None:
        self._app = app
        self._turns = BoundedSemaphore(max(1, most))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = Body(environ["wsgi.input"], self._turns)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


class Body:
    """What wsgi.input is, each read of which needs a turn. Raises ServiceUnavailable when there is none."""

    def __init__(self, stream: Any, turns: BoundedSemaphore) -> None:
        self._stream = stream
        self._turns = turns

    def read(self, size: int = -1) -> bytes:
        return self._in_turn(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._in_turn(self._stream.readline, size)

    def _in_turn(self, read: Any, size: int) -> bytes:
        if not self._turns.acquire(timeout=PATIENCE):
            raise ServiceUnavailable("Too many slow bodies at once.", retry_after=RETRY_AFTER)
        try:
            found: bytes = read(size)
        finally:
            self._turns.release()
        return found
