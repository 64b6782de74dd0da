"""POST /hooks/<source>: the door for helpdesks. Answers fast and in words that the sender's log can show."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from flask import Blueprint, Request, Response, abort, current_app, jsonify, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from leaderboard import deliveries
from leaderboard.config import SOURCE_NAME
from leaderboard.database import Unavailable
from leaderboard.deliveries import NOWHERE, Why
from leaderboard.plugin import Delivery, Plugin, Refused
from leaderboard.web import config, db, now
from leaderboard.web.access import public

log = logging.getLogger(__name__)
pages = Blueprint("hooks", __name__)

RETRY_AFTER = 5
"""Seconds: Zendesk retries a 503 only when we ask for less than 60."""


class Broken(Exception):
    """The plugin raised something that is no answer."""


class Refusals:
    """Counts refused deliveries and writes them down at most once a second, so that forgeries cost no commit each."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: dict[str, dict[str, tuple[Why, int]]] = {}
        self._written: dict[str, datetime] = {}

    def count(
        self, source: str, why: Why, moment: datetime, closer: Callable[[], Why | None] = lambda: None
    ) -> None:
        """Count one of a source. `closer` looks for a better reason, and is asked only where it will be written."""
        with self._mutex:
            written = self._written.get(source)
            if written is not None and moment - written < timedelta(seconds=1):
                self._add(source, {why.cause: (why, 1)})
                return
            self._written[source] = moment
        why = closer() or why
        with self._mutex:
            self._add(source, {why.cause: (why, 1)})
            counts = self._counts.pop(source)
        try:
            deliveries.refuse(db(), source, counts.values(), moment)
        except Unavailable:
            with self._mutex:
                self._add(source, counts)

    def _add(self, source: str, counts: dict[str, tuple[Why, int]]) -> None:
        known = self._counts.setdefault(source, {})
        for cause, (why, times) in counts.items():
            known[cause] = (why, times + known[cause][1] if cause in known else times)


@pages.record_once
def _start_counting(state: BlueprintSetupState) -> None:
    state.app.extensions["refusals"] = Refusals()
    state.app.extensions["lanes"] = deliveries.Lanes(state.app.extensions["config"].server.threads)


@pages.route("/hooks/<source>", methods=["GET", "POST", "PUT", "PATCH"])
@public
def hook(source: str) -> ResponseReturnValue:
    """Take one delivery: 202 stored (or as the tool wants), 401 not from the tool, 404 no such source, 503 not now."""
    refusals: Refusals = current_app.extensions["refusals"]
    settings = config()
    plugin = settings.plugins.get(source)
    if plugin is None:
        named = f"/hooks/{source}" if SOURCE_NAME.fullmatch(source) else "a name that no source can have"
        refusals.count(NOWHERE, Why("address", named), now())
        return jsonify(error="there is no such source"), 404
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # the proxy looks for it with each word
    try:
        body = asked.get_data(cache=False)
        if asked.content_length is None and len(body) >= (asked.max_content_length or 0):
            abort(413)  # sent in chunks, it was cut where the limit is: its signature would seem wrong
    except RequestEntityTooLarge:
        most = (asked.max_content_length or 0) // 2**20
        refusals.count(source, Why("size", f"the body is larger than {most} MB"), now())
        raise
    delivery = Delivery(
        body=body,
        headers=dict(asked.headers.items(lower=True)),
        received_at=now(),
        url=settings.public_url + asked.full_path.rstrip("?"),
        method=asked.method,
        args=asked.args.to_dict(),
    )
    return take(source, plugin, delivery)


def take(source: str, plugin: Plugin, delivery: Delivery) -> ResponseReturnValue:
    """What every delivery goes through, a test from /admin too: its proof, the plugin, the ledger."""
    refusals: Refusals = current_app.extensions["refusals"]
    lanes: deliveries.Lanes = current_app.extensions["lanes"]
    try:
        with lanes.lane(source):
            at_once = _at_the_door(plugin, delivery)
            if at_once is not None:
                return at_once
            told = deliveries.translate(plugin, delivery)
        receipt = deliveries.receive(db(), config(), source, delivery, told)
    except Refused as error:
        why = Why(error.cause, str(error), error.off)
        closer = partial(_closer, source, delivery) if error.cause == "signature" else lambda: None
        refusals.count(source, why, delivery.received_at, closer)
        return jsonify(error=f"refused: {error}"), 401
    except Unavailable:
        return _later("cannot be stored at the moment; please send it again")
    except deliveries.Busy:
        log.warning("a plugin hangs or is slow", extra={"source": source})
        return _later("this source is busy; please send it again")
    except Broken:
        # Nothing was proven, so nothing is kept; the tool may send it again after the fix.
        log.exception("a plugin failed at the door", extra={"source": source})
        why = Why("plugin", "the plugin failed; the log says why")
        refusals.count(source, why, delivery.received_at)
        return _later("the plugin for this source failed; please send it again")
    answer = {
        "delivery": receipt.id,
        "state": receipt.state,
        "events": receipt.new,
        "repeated": receipt.repeated,
    }
    if receipt.state == "failed":
        answer["reason"] = "it could not be read; it is kept and will be tried again"
    return jsonify(answer), plugin.taken_status


def _at_the_door(plugin: Plugin, delivery: Delivery) -> ResponseReturnValue | None:
    """What is answered without taking anything in; None for a delivery that is the tool's. Raises Refused or Broken."""
    try:
        greeting = plugin.greet(delivery)
        if greeting is not None:
            return Response(greeting.body, greeting.status, content_type=greeting.content_type)
        if delivery.method in ("GET", "HEAD"):
            return jsonify(error="this address takes deliveries by POST"), 405, {"Allow": "POST"}
        plugin.verify(delivery)
    except Refused:
        raise
    except Exception as error:
        raise Broken from error
    return None


def _closer(source: str, delivery: Delivery) -> Why | None:
    other = deliveries.section_of(config(), source, delivery)
    return Why("section", f"it is signed with the secret of [plugins.{other}]") if other else None


def _later(error: str) -> ResponseReturnValue:
    return jsonify(error=error), 503, {"Retry-After": str(RETRY_AFTER)}
