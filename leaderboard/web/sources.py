"""What an admin does to a source: freeze it and let it go again, have its past fetched; and its days, as bars and as a file."""

from collections.abc import Callable, Sequence

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import deliveries
from leaderboard.config import OWN_SOURCE
from leaderboard.plugin import Invalid, Plugin, text_of
from leaderboard.web import config, db, now, row_number
from leaderboard.web.access import admin_only, me
from leaderboard.web.charts import Bars, bars
from leaderboard.web.export import csv_file
from leaderboard.web.pages import zone

blueprint = Blueprint("sources", __name__)


def plugin_of(name: str) -> Plugin:
    """The configured source's plugin; 404 where there is none."""
    if name not in config().plugins or name == OWN_SOURCE:
        abort(404)
    return config().plugins[name]


def days_of(session: Session, found: Sequence[deliveries.Signals]) -> dict[str, Bars]:
    """The last four weeks of each source that takes webhooks and has heard anything: a delivery, or a refusal."""
    names = [one.name for one in found if one.sends and (one.last_delivery or one.state.refused)]
    days = deliveries.by_day(session, names, zone(), now()) if names else {}
    return {name: bars(its) for name, its in days.items()}


@blueprint.get("/admin/sources/<name>/days.csv")
@admin_only
def days_csv(name: str) -> ResponseReturnValue:
    """What came of it in the last four weeks, day by day, as a file."""
    plugin_of(name)
    with db().reading() as session:
        found = deliveries.by_day(session, [name], zone(), now())[name]
    header = (_("Day"), _("Came"), _("Could not be read"), _("Something was refused"))
    rows = [(str(day.date), day.came, day.failed, _("yes") if day.refused else None) for day in found]
    return csv_file(f"{name}-days", header, rows)


@blueprint.post("/admin/sources/<name>/freeze")
@admin_only
def freeze(name: str) -> ResponseReturnValue:
    """From now on its deliveries wait and nothing of it is posted."""
    plugin_of(name)
    by, moment = me().id, now()

    def work(session: Session) -> bool:
        why = text_of(request.form.get("why", ""), 500)
        return deliveries.freeze(session, name, moment, by, why)

    if _did(work):
        flash(_("Frozen: what comes is kept and waits, and nothing of it is posted."), "success")
    return _back(name, "freeze")


@blueprint.post("/admin/sources/<name>/release")
@admin_only
def release(name: str) -> ResponseReturnValue:
    """The clock works through what waited, and pulls again."""
    plugin_of(name)
    by, moment = me().id, now()
    if _did(lambda session: deliveries.release(session, name, moment, by)):
        flash(
            _("Unfrozen: the clock works through what waited, the oldest first, and pulls again."), "success"
        )
    return _back(name, "freeze")


@blueprint.post("/admin/sources/<name>/backfill")
@admin_only
def backfill(name: str) -> ResponseReturnValue:
    """Begin to fetch its past, stop that, or go on."""
    plugin, by, moment = plugin_of(name), me().id, now()
    do = request.form.get("do", "begin")

    def begin(session: Session) -> bool:
        days = row_number(request.form.get("days", "").strip()) or 0
        deliveries.backfilling.begin(session, plugin, name, days, moment, by)
        return True

    if do == "stop":
        if _did(lambda session: deliveries.backfilling.stop(session, name, moment, by)):
            flash(_("Stopped. What it brought stays, and it can go on from here."), "success")
    elif do == "resume":
        if _did(lambda session: deliveries.backfilling.resume(session, name, moment, by)):
            flash(_("It goes on within seconds."), "success")
    elif _did(begin):
        flash(_("The clock begins within seconds. You can leave this page."), "success")
    return _back(name, "backfill")


def _did(work: Callable[[Session], bool]) -> bool:
    """Whether one unit of work changed something; what it cannot do is told. Pressed twice, it changes nothing."""
    try:
        return db().write(work)
    except Invalid as error:
        flash(error.message, "error")
        return False


def _back(name: str, anchor: str) -> ResponseReturnValue:
    return redirect(url_for("admin.source", name=name, _anchor=anchor), 303)
