"""/healthz for load balancers and alarms, /metrics for Prometheus."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from flask import Blueprint, Response, current_app, jsonify
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from leaderboard import health
from leaderboard.web import db, now
from leaderboard.web.access import admin_only, public

blueprint = Blueprint("operations", __name__)

KEPT = timedelta(seconds=2)
"""A check writes to the database; however many ask, it does so once in this time."""


class LastCheck:
    """The last check of this process; one at a time asks for a new one, when the last is old."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._found: health.Health | None = None
        self._at: datetime | None = None

    def get(self, moment: datetime) -> health.Health:
        with self._mutex:
            if self._found is None or self._at is None or not timedelta(0) <= moment - self._at < KEPT:
                self._found, self._at = health.check(db(), moment), moment
            return self._found


@blueprint.record_once
def _remember(state: BlueprintSetupState) -> None:
    state.app.extensions["last check"] = LastCheck()


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """200 while all is well, else 503 and what is wrong. For everybody: it names nobody and no secret."""
    last: LastCheck = current_app.extensions["last check"]
    found = last.get(now())
    response = jsonify(
        status="failing" if found.problems else "ok",
        problems=list(found.problems),
        database={"version": found.version, "writable": found.writable, "affected": found.affected},
        oldest_pending_seconds=found.oldest_pending,
        clock_seconds=found.clock_age,
        failing_pulls=found.failing_pulls,
        frozen_sources=found.frozen,
        failing_jobs=list(found.failing_jobs),
        audit_failed=found.audit_failed,
        audited_seconds=found.audited,
    )
    response.status_code = 503 if found.problems else 200
    return response


@blueprint.get("/metrics")
@admin_only
def metrics() -> ResponseReturnValue:
    """For Prometheus, with a token of the scope admin: not everybody should know how much a company hears from whom."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Figures(Collector):
    """What the database says at the time of asking."""

    def collect(self) -> Iterator[Metric]:
        last: LastCheck = current_app.extensions["last check"]
        well = last.get(now())
        for name, said, value in (
            ("extra_mile_healthy", "1 while /healthz answers 200, else 0.", not well.problems),
            (
                "extra_mile_clock_seconds",
                "Since the clock last ticked; NaN before it ever did.",
                well.clock_age,
            ),
            ("extra_mile_failing_pulls", "Sources whose pulls keep failing.", well.failing_pulls),
            ("extra_mile_failing_jobs", "Jobs of the clock that end in an error.", len(well.failing_jobs)),
            ("extra_mile_audit_failed", "1 while the last audit found differences.", well.audit_failed),
        ):
            yield GaugeMetricFamily(name, said, value=float("nan") if value is None else float(value))
        with db().reading() as session:
            found = health.figures(session, now())
        deliveries = GaugeMetricFamily(
            "extra_mile_deliveries", "Stored deliveries.", labels=["source", "state"]
        )
        for (source, state), count in sorted(found.deliveries.items()):
            deliveries.add_metric([source, state], count)
        yield deliveries
        refused = GaugeMetricFamily(
            "extra_mile_deliveries_refused", "Deliveries that were not from the tool.", labels=["source"]
        )
        for source, count in sorted(found.refused.items()):
            refused.add_metric([source], count)
        yield refused
        frozen = GaugeMetricFamily(
            "extra_mile_source_frozen", "1 while nothing of the source is posted.", labels=["source"]
        )
        for source, is_frozen in sorted(found.frozen.items()):
            frozen.add_metric([source], is_frozen)
        yield frozen
        yield GaugeMetricFamily(
            "extra_mile_oldest_pending_seconds",
            "Age of the oldest delivery that waits; 0 when none does.",
            value=found.oldest_pending or 0,
        )
        yield GaugeMetricFamily("extra_mile_points_entries", "Lines of the ledger.", value=found.entries)
        outbox = GaugeMetricFamily("extra_mile_announcements", "The outbox.", labels=["state"])
        for state, count in sorted(found.outbox.items()):
            outbox.add_metric([state], count)
        yield outbox
