"""/promises: what was promised to customers, by when; kept, moved in time, confirmed by somebody else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlmodel import Session
from wtforms import BooleanField, DateTimeLocalField, StringField, TextAreaField
from wtforms.validators import InputRequired, Optional

from leaderboard import people, promises
from leaderboard.plugin import Invalid
from leaderboard.promises import Making
from leaderboard.tables import Person, Promise
from leaderboard.web import db, now
from leaderboard.web.access import me
from leaderboard.web.export import csv_file
from leaderboard.web.forms import Form
from leaderboard.weeks import at_local

blueprint = Blueprint("promises", __name__)

MINUTES = "%Y-%m-%dT%H:%M"
"""What a browser's field for a local time sends."""
MOST_IN_A_FILE = 10_000


class PromiseForm(Form):
    what = TextAreaField(
        _l("What do you promise?"),
        [InputRequired(_l("Please fill this in."))],
        description=_l("In the words that the customer heard. Promise only what you can deliver."),
    )
    due_at = DateTimeLocalField(
        _l("By when?"), [InputRequired(_l("Please fill this in."))], format=[MINUTES, MINUTES + ":%S"]
    )
    contact = StringField(
        _l("Who contacts the customer?"), [Optional()], description=_l("You, or a colleague by name.")
    )
    contact_at = DateTimeLocalField(
        _l("When will the customer hear?"), [Optional()], format=[MINUTES, MINUTES + ":%S"]
    )
    customer = StringField(_l("The customer"), [Optional()])
    ticket = StringField(
        _l("The helpdesk's ticket number"),
        [Optional()],
        description=_l("Then your answer there, in time, confirms the promise by itself."),
    )
    authorised_by = StringField(
        _l("Who authorises it?"), [Optional()], description=_l("If you may not decide it yourself, who may?")
    )


class MoveForm(Form):
    due_at = DateTimeLocalField(
        _l("Until when?"), [InputRequired(_l("Please fill this in."))], format=[MINUTES, MINUTES + ":%S"]
    )
    told = BooleanField(_l("The customer knows"))
    reason = StringField(_l("Why?"), [Optional()])


@blueprint.get("/promises")
def mine() -> ResponseReturnValue:
    """One's own promises, and colleagues' that wait for a word."""
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        context = {
            "open": promises.of_person(read, viewer),
            "ended": promises.of_person(read, viewer, ended=True, limit=30),
            "to_confirm": promises.to_confirm(read, viewer),
            "standing": promises.standing(read, viewer, now()),
        }
    return render_template("promises.html", now=now(), **context)


@blueprint.route("/promises/new", methods=["GET", "POST"])
def make() -> ResponseReturnValue:
    """Put a promise on record; how one stands with promises comes first."""
    form = PromiseForm()
    if request.method == "GET":
        form.contact.data = me().name
    if form.validate_on_submit():
        made: list[Promise] = []

        def work(write: Session) -> None:
            maker = write.get_one(Person, me().id)
            zone = people.zone_of(write, maker)
            making = Making(
                what=form.what.data or "",
                due_at=_moment(form.due_at.data, zone),
                customer=form.customer.data or "",
                ticket=form.ticket.data or "",
                contact=form.contact.data or "",
                contact_at=_moment(form.contact_at.data, zone) if form.contact_at.data else None,
                authorised_by=form.authorised_by.data or "",
            )
            made[:] = [promises.make(write, maker, making, now())]

        try:
            db().write(work)
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("It is on record."), "success")
            return redirect(url_for(".promise", uid=made[0].uid), 303)
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        standing, zone = promises.standing(read, viewer, now()), people.zone_of(read, viewer)
    page = render_template("promise_new.html", form=form, standing=standing, zone=zone)
    return page, 422 if form.is_submitted() else 200


@blueprint.get("/promises/<uid>")
def promise(uid: str) -> ResponseReturnValue:
    """One promise: its facts, and what this viewer may do with it."""
    return _promise_page(uid, MoveForm(formdata=None))


@blueprint.post("/promises/<uid>/move")
def move(uid: str) -> ResponseReturnValue:
    """Move it to another time, before it passes."""
    form = MoveForm()
    if not form.validate():
        return _promise_page(uid, form), 422

    def do(write: Session, uid_: str, by: Person, at: datetime) -> None:
        due_at = _moment(form.due_at.data, people.zone_of(write, by))
        promises.move(write, uid_, by, due_at, bool(form.told.data), form.reason.data or "", at)

    try:
        return _change(uid, do, _("Moved."))
    except Invalid as error:
        form.blame(error)
        return _promise_page(uid, form), 422


@blueprint.post("/promises/<uid>/keep")
def keep(uid: str) -> ResponseReturnValue:
    """Mark it kept."""
    note = request.form.get("note", "")

    def do(write: Session, uid_: str, by: Person, at: datetime) -> None:
        promises.keep(write, uid_, by, note, at)

    return _told(uid, do, _("Marked as kept."))


@blueprint.post("/promises/<uid>/confirm")
def confirm(uid: str) -> ResponseReturnValue:
    """Confirm a colleague's."""
    return _told(uid, promises.confirm, _("Thank you. Now it counts."))


@blueprint.post("/promises/<uid>/take-back")
def take_back(uid: str) -> ResponseReturnValue:
    """Undo."""
    return _told(uid, promises.take_back, _("Taken back."))


@blueprint.get("/promises.csv")
def mine_csv() -> ResponseReturnValue:
    """One's own promises, as a file."""
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        found = promises.of_person(read, viewer, limit=MOST_IN_A_FILE)
        found += promises.of_person(read, viewer, ended=True, limit=MOST_IN_A_FILE)
    return csv_file("promises", CSV_COLUMNS, [csv_row(row, viewer) for row in found])


CSV_COLUMNS = (
    "made_at",
    "due_at",
    "maker",
    "what",
    "customer",
    "ticket",
    "contact",
    "contact_at",
    "state",
    "kept_at",
    "confirmed_as",
)


def csv_row(row: Promise, maker: Person) -> tuple[str | None, ...]:
    """A promise as a line of a file."""
    return (
        row.made_at.isoformat(),
        row.due_at.isoformat(),
        maker.name,
        row.what,
        row.customer,
        row.ticket,
        row.contact,
        row.contact_at.isoformat() if row.contact_at else None,
        row.state,
        row.kept_at.isoformat() if row.kept_at else None,
        row.confirmed_as,
    )


def _promise_page(uid: str, form: MoveForm) -> str:
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        try:
            row = promises.find(read, uid, viewer)
        except LookupError:
            abort(404)
        context: dict[str, Any] = {
            "maker": read.get(Person, row.maker_id) if row.maker_id else None,
            "moves": promises.moves_of(read, row),
            "confirmer": read.get(Person, row.confirmed_by) if row.confirmed_by else None,
            "may_confirm": promises.may_confirm(read, viewer, row),
            "mine": promises.is_own(read, viewer, row),
            "zone": people.zone_of(read, viewer),
        }
    return render_template("promise.html", promise=row, form=form, now=now(), **context)


def _change(uid: str, do: Callable[..., object], done: str) -> ResponseReturnValue:
    """Let the viewer do something with a promise that they may see. Raises Invalid."""

    def work(write: Session) -> None:
        viewer = write.get_one(Person, me().id)
        promises.find(write, uid, viewer)
        do(write, uid, viewer, now())

    try:
        db().write(work)
    except LookupError:
        abort(404)
    except PermissionError:
        abort(403)
    flash(done, "success")
    return redirect(url_for(".promise", uid=uid), 303)


def _told(uid: str, do: Callable[..., object], done: str) -> ResponseReturnValue:
    try:
        return _change(uid, do, done)
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for(".promise", uid=uid), 303)


def _moment(local: datetime, zone: str) -> datetime:
    """What a browser's local time means to its sender, in UTC. Raises Invalid for a time outside the calendar."""
    try:
        return at_local(local.date(), local.time(), zone)
    except (OverflowError, ValueError):
        raise Invalid(_("Choose a moment of the calendar."), "due_at") from None
