"""What an operator's tools ask: deliveries, replays, health."""

from flask import abort

from leaderboard import deliveries, health
from leaderboard.plugin import Invalid
from leaderboard.web import config, db, now, row_number
from leaderboard.web.access import admin_only
from leaderboard.web.api import examples, shapes
from leaderboard.web.api.blueprint import api, asked_of, cursor, place


@api.get("/deliveries")
@api.input(shapes.DeliveriesQuery, location="query", arg_name="query")
@api.output(shapes.Deliveries, example=examples.DELIVERIES)
@admin_only
def deliveries_received(query: shapes.DeliveriesQuery) -> shapes.Deliveries:
    """Webhook calls, the newest first. For admins, with a token of the scope admin."""
    after = place(query.after)
    with db().reading() as session:
        found = deliveries.listed(
            session,
            source=query.source,
            state=query.state,
            before=after[0] if after else None,
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    return shapes.Deliveries(
        deliveries=[
            shapes.Delivery(
                id=row.id or 0,
                source=row.source,
                received_at=row.received_at,
                state=row.state,
                reason=row.reason,
                events=row.events,
                repeated=row.repeated,
                attempts=row.attempts,
                next_try_at=row.next_try_at,
            )
            for row in page
        ],
        next=cursor(page[-1].id or 0) if len(found) > query.limit else None,
    )


@api.post("/deliveries/<delivery>/replay")
@api.output(shapes.Replayed, example=examples.REPLAYED)
@admin_only
def replay(delivery: str) -> shapes.Replayed:
    """Read a stored delivery again and post what is new; harmless as often as you like."""
    number = row_number(delivery)
    if number is None:
        abort(404, "There is no such delivery, or it is not for you to see.")
    with asked_of("delivery"):
        try:
            receipt = deliveries.replay(db(), config(), number, now())
        except Invalid as error:
            abort(409, error.message)
    return shapes.Replayed(
        delivery=receipt.id,
        state=receipt.state,
        events=receipt.new,
        repeated=receipt.repeated,
        reason=receipt.reason,
    )


@api.get("/health")
@api.output(shapes.Health, example=examples.HEALTH)
def how_it_is() -> shapes.Health:
    """Whether the service is well: the same as /healthz, which answers 503 when it is not."""
    found = health.check(db(), now())
    return shapes.Health(
        status="failing" if found.problems else "ok",
        problems=list(found.problems),
        database=shapes.HealthDatabase(
            version=found.version, writable=found.writable, affected=found.affected
        ),
        oldest_pending_seconds=found.oldest_pending,
        clock_seconds=found.clock_age,
        failing_pulls=found.failing_pulls,
        failing_jobs=list(found.failing_jobs),
        audit_failed=found.audit_failed,
        audited_seconds=found.audited,
    )
