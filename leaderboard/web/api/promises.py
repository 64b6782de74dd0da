"""Promises to customers: made, kept, moved, confirmed."""

from collections.abc import Callable
from datetime import datetime

from flask import url_for
from sqlmodel import Session

from leaderboard import people, promises
from leaderboard.tables import Person, Promise
from leaderboard.web import db, now
from leaderboard.web.access import limited, me
from leaderboard.web.api import examples, shapes
from leaderboard.web.api.blueprint import WRITES, api, asked_of, by_person, cursor, place
from leaderboard.web.api.seeing import chosen_person, chosen_team, person_out


@api.get("/promises")
@api.input(shapes.PromisesQuery, location="query", arg_name="query")
@api.output(shapes.Promises, example=examples.PROMISES)
def promises_seen(query: shapes.PromisesQuery) -> shapes.Promises:
    """Promises of yourself, your team, teams you lead; for admins everybody's. The newest first."""
    viewer, after = me(), place(query.after)
    with db().reading() as session:
        team, who = chosen_team(session, query.team), chosen_person(session, query.person)
        found = promises.listed(
            session,
            viewer,
            state=query.state,
            person=who,
            team_id=team.id if team else None,
            before=after[0] if after else None,
            limit=query.limit + 1,
        )
        page = found[: query.limit]
        return shapes.Promises(
            promises=[_promise(session, row, maker, viewer) for row, maker in page],
            next=cursor(page[-1][0].id or 0) if len(found) > query.limit else None,
        )


@api.post("/promises")
@api.input(shapes.PromiseIn, arg_name="body", example=examples.PROMISE_IN)
@api.output(shapes.Promise, status_code=201, example=examples.PROMISE)
@limited(WRITES, by=by_person)
def promise_made(body: shapes.PromiseIn) -> tuple[shapes.Promise, int, dict[str, str]]:
    """Put a promise of your own on record."""
    moment = now()

    def work(session: Session) -> shapes.Promise:
        row = promises.make(session, me(), promises.Making(**dict(body)), moment)
        return _promise(session, row, me(), me())

    made = db().write(work)
    return made, 201, {"Location": url_for("api.promise", promise=made.id)}


@api.get("/promises/<promise>")
@api.output(shapes.Promise, example=examples.PROMISE)
def promise(promise: str) -> shapes.Promise:
    """One promise that you may see."""
    with db().reading() as session, asked_of("promise"):
        row = promises.find(session, promise, me())
        return _promise(session, row, _maker(session, row), me())


@api.post("/promises/<promise>/keep")
@api.input(shapes.Keep, arg_name="body", example=examples.KEEP)
@api.output(shapes.Promise, example=examples.PROMISE_KEPT)
@limited(WRITES, by=by_person)
def promise_kept(promise: str, body: shapes.Keep) -> shapes.Promise:
    """Say that you kept it. It earns once a colleague, the customer or the helpdesk's time stamp bears it out."""

    def step(session: Session, uid: str, by: Person, moment: datetime) -> Promise:
        return promises.keep(session, uid, by, body.note, moment)

    return _done(promise, step)


@api.post("/promises/<promise>/move")
@api.input(shapes.Move, arg_name="body", example=examples.MOVE)
@api.output(shapes.Promise, example=examples.PROMISE_MOVED)
@limited(WRITES, by=by_person)
def promise_moved(promise: str, body: shapes.Move) -> shapes.Promise:
    """Move your promise to another time, before it passes."""

    def step(session: Session, uid: str, by: Person, moment: datetime) -> Promise:
        return promises.move(session, uid, by, body.due_at, body.told, body.reason, moment)

    return _done(promise, step)


@api.post("/promises/<promise>/confirm")
@api.output(shapes.Promise, example=examples.PROMISE_CONFIRMED)
@limited(WRITES, by=by_person)
def promise_confirmed(promise: str) -> shapes.Promise:
    """Bear out that a colleague kept it. Nobody confirms their own; twice is once."""
    return _done(promise, promises.confirm)


def _done(uid: str, step: Callable[[Session, str, Person, datetime], Promise]) -> shapes.Promise:
    moment = now()

    def work(session: Session) -> shapes.Promise:
        with asked_of("promise"):
            promises.find(session, uid, me())
            row = step(session, uid, me(), moment)
            return _promise(session, row, _maker(session, row), me())

    return db().write(work)


def _maker(session: Session, row: Promise) -> Person:
    """Who made it; LookupError while its account in the helpdesk is nobody's."""
    if row.maker_id is None:
        raise LookupError(row.uid)
    return people.by_id(session, [row.maker_id])[row.maker_id]


def _promise(session: Session, row: Promise, maker: Person, viewer: Person) -> shapes.Promise:
    trusted = people.sees_evidence(session, viewer, maker)
    return shapes.Promise(
        id=row.uid,
        url=f"/promises/{row.uid}",
        maker=person_out(maker),
        what=row.what,
        due_at=row.due_at,
        customer=row.customer if trusted else None,
        ticket=row.ticket if trusted else None,
        contact=row.contact,
        contact_at=row.contact_at,
        authorised_by=row.authorised_by,
        made_at=row.made_at,
        state=row.state,
        kept_at=row.kept_at,
        note=row.note,
        confirmed_as=row.confirmed_as,
        source=row.source,
    )
