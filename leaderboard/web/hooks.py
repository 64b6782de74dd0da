"""POST /hooks/<source>: the door for helpdesks. Answers fast and in words that the sender's log can show."""

import logging
import threading
from collections import Counter
from datetime import datetime, timedelta

from flask import Blueprint, Response, abort, current_app, jsonify, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from leaderboard import deliveries
from leaderboard.database import Unavailable
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
        self._counts: Counter[str] = Counter()
        self._written: dict[str, datetime] = {}

    def count(self, source: str, reason: str, moment: datetime) -> None:
        with self._mutex:
            self._counts[source] += 1
            if moment - self._written.get(source, datetime.min.replace(tzinfo=moment.tzinfo)) < timedelta(
                seconds=1
            ):
                return
            times, self._written[source] = self._counts.pop(source), moment
        try:
            deliveries.refuse(db(), source, reason, moment, times)
        except Unavailable:
            with self._mutex:
                self._counts[source] += times


@pages.record_once
def _start_counting(state: BlueprintSetupState) -> None:
    state.app.extensions["refusals"] = Refusals()
    state.app.extensions["lanes"] = deliveries.Lanes(state.app.extensions["config"].server.threads)


@pages.route("/hooks/<source>", methods=["GET", "POST", "PUT", "PATCH"])
@public
def hook(source: str) -> ResponseReturnValue:
    """Take one delivery: 202 stored (or as the tool wants), 401 not from the tool, 404 no such source, 503 not now."""
    plugin = config().plugins.get(source)
    if plugin is None:
        return jsonify(error="there is no such source"), 404
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= (request.max_content_length or 0):
        abort(413)  # sent in chunks, it was cut where the limit is: its signature would seem wrong
    delivery = Delivery(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        received_at=now(),
        url=config().public_url + request.full_path.rstrip("?"),
        method=request.method,
        args=request.args.to_dict(),
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
        receipt = deliveries.receive(db(), config(), source, delivery, lanes.lane(source))
    except Refused as error:
        refusals.count(source, str(error), delivery.received_at)
        return jsonify(error=f"refused: {error}"), 401
    except Unavailable:
        return _later("cannot be stored at the moment; please send it again")
    except deliveries.Busy:
        log.warning("a plugin hangs or is slow", extra={"source": source})
        return _later("this source is busy; please send it again")
    except Broken:
        # Nothing was proven, so nothing is kept; the tool may send it again after the fix.
        log.exception("a plugin failed at the door", extra={"source": source})
        refusals.count(source, "the plugin failed; the log says why", delivery.received_at)
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


def _later(error: str) -> ResponseReturnValue:
    return jsonify(error=error), 503, {"Retry-After": str(RETRY_AFTER)}
