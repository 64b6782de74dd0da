"""/admin/sources/<name>/take-back: what a source brought in some time, looked at, taken back, given back."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import people
from leaderboard.config import OWN_SOURCE
from leaderboard.guidelines import N_
from leaderboard.ledger import taking_back
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Reversal
from leaderboard.web import config, db, now, row_number
from leaderboard.web.access import admin_only, me
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.pages import iso
from leaderboard.weeks import at_local

blueprint = Blueprint("admin_reversals", __name__)

AT_ONCE = 2_000
"""Facts that are taken back while somebody waits for the page; more of them are the clock's."""
SHOWN = 50
STATES = {
    "waiting": N_("Under way"),
    "done": N_("Taken back"),
    "undoing": N_("Being given back"),
    "undone": N_("Given back"),
}


@dataclass(frozen=True)
class Span:
    """A time as somebody asked for it, by their own clock."""

    since: datetime
    until: datetime


@blueprint.get("/admin/sources/<name>/take-back")
@admin_only
def take_back(name: str) -> ResponseReturnValue:
    """Ask for a time with ?since= and ?until= (empty: now), see what it would take; and what was taken back before."""
    span, problem = None, None
    if "since" in request.args:
        try:
            span = _asked(request.args.get("since", ""), request.args.get("until", ""))
        except Invalid as error:
            problem = error.message
    return _page(name, span, problem)


@blueprint.post("/admin/sources/<name>/take-back")
@admin_only
def do_take_back(name: str) -> ResponseReturnValue:
    """Take back exactly what was looked at: a few facts at once, many by the clock."""
    _title(name)
    reason, facts = request.form.get("reason", ""), row_number(request.form.get("facts", ""))
    span = None
    try:
        span = _asked(request.form.get("since", ""), request.form.get("until", ""))
        asked = db().write(
            lambda session: taking_back.ask(
                session, name, span.since, span.until, facts or 0, reason, now(), me().id
            )
        )
    except Invalid as error:
        return _page(name, span, error.message, reason), 422
    return _carried_out(name, asked)


@blueprint.post("/admin/sources/<name>/take-back/<int:reversal>/undo")
@admin_only
def undo(name: str, reversal: int) -> ResponseReturnValue:
    """Give back what a reversal took."""

    def work(session: Session) -> Reversal:
        row = session.get(Reversal, reversal)
        if row is None or row.source != name:
            abort(404)
        return taking_back.ask_undo(session, reversal, request.form.get("reason", ""), now(), me().id)

    _title(name)
    try:
        asked = db().write(work)
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for(".take_back", name=name), 303)
    return _carried_out(name, asked)


@blueprint.get("/admin/sources/<name>/take-back.csv")
@admin_only
def reversals_csv(name: str) -> ResponseReturnValue:
    """What was taken back of this source, and by whom, as a file."""
    _title(name)
    with db().reading() as session:
        rows = taking_back.reversals(session, name, MOST_ROWS)
        who = _who(session, rows)
    header = (
        _("From"), _("Until"), _("State"), _("Facts"), _("Points"), _("People"), _("Asked"), _("By"), _("Why"),
        _("Undone"), _("By"), _("Why"),
    )  # fmt: skip
    return csv_file(
        f"taken-back-{name}",
        header,
        [
            (
                iso(row.since), iso(row.until), str(_(STATES[row.state])), row.facts, row.points, row.people,
                iso(row.asked_at), who.get(row.asked_by or 0), row.reason,
                iso(row.undone_at) if row.undone_at else None, who.get(row.undo_asked_by or 0), row.undo_reason,
            )
            for row in rows
        ],
    )  # fmt: skip


def _carried_out(name: str, row: Reversal) -> ResponseReturnValue:
    """Do it now where that takes a moment; leave it to the clock where it takes longer."""
    if row.facts <= AT_ONCE:
        db().write(lambda session: taking_back.carry_out(session, row.id or 0, now()))
    flash(_("It is written down. Those concerned are told by a notice."), "success")
    return redirect(url_for(".take_back", name=name), 303)


def _page(name: str, span: Span | None, problem: str | None, reason: str = "") -> str:
    title = _title(name)
    with db().reading() as session:
        rows = taking_back.reversals(session, name, SHOWN)
        seen = taking_back.preview(session, name, span.since, span.until) if span else None
        zone = people.zone_of(session, session.get_one(Person, me().id))
        who = _who(session, rows)
    return render_template(
        "source_take_back.html",
        name=name,
        title=title,
        span=span,
        local=[
            moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
            for moment in (span.since, span.until)
        ]
        if span
        else [request.args.get("since", ""), request.args.get("until", "")],
        seen=seen,
        problem=problem,
        reason=reason,
        rows=rows,
        who=who,
        states=STATES,
        zone=zone,
        most=taking_back.MOST_FACTS,
        under_way=any(row.state in ("waiting", "undoing") for row in rows),
    )


def _who(session: Session, rows: list[Reversal]) -> dict[int, str]:
    ids = {id_ for row in rows for id_ in (row.asked_by, row.undo_asked_by) if id_}
    return {id_: person.name for id_, person in people.named(session, ids).items()}


def _title(name: str) -> str:
    plugin = config().plugins.get(name) if name != OWN_SOURCE else None
    if plugin is None:
        abort(404)
    return type(plugin).title or name


def _asked(since: str, until: str) -> Span:
    """Times by the asker's own clock, or with a zone as our own pages send them back; no end means now. Raises Invalid."""
    with db().reading() as session:
        zone = people.zone_of(session, session.get_one(Person, me().id))
    return Span(_moment(since, zone), _moment(until, zone) if until.strip() else now())


def _moment(text: str, zone: str) -> datetime:
    try:
        local = datetime.fromisoformat(text.strip()[:40])
        moment = local if local.tzinfo else at_local(local.date(), local.time(), zone)
        return moment.astimezone(ZoneInfo("UTC"))
    except (ValueError, OverflowError):
        raise Invalid(_("Write the time as 2026-11-20 14:30."), "since") from None
