"""/admin/sources/<name>/accounts: who a tool's accounts are; /admin/people/<handle>/merge: two who are one."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlmodel import Session

from leaderboard import deliveries, people
from leaderboard.config import OWN_SOURCE
from leaderboard.deliveries import matching
from leaderboard.ledger import merging
from leaderboard.notices import tell_again
from leaderboard.plugin import Invalid
from leaderboard.tables import Identity, Merge, Person
from leaderboard.web import config, db, now, row_number
from leaderboard.web.access import admin_only, me

blueprint = Blueprint("admin_accounts", __name__)

PAGE = 50
MOST_OPTIONS = 300
"""With more people than this, one is named by writing instead of choosing."""


@blueprint.get("/admin/sources/<name>/accounts")
@admin_only
def accounts(name: str) -> ResponseReturnValue:
    """The accounts of a source: those of nobody, or with ?linked=yes those that are somebody's."""
    plugin = config().plugins.get(name) if name != OWN_SOURCE else None
    if plugin is None:
        abort(404)
    linked = request.args.get("linked") == "yes"
    after = row_number(request.args.get("after", "")) or 0
    with db().reading() as session:
        status = next(one for one in deliveries.source_statuses(session, config()) if one.name == name)
        listed = matching.matched if linked else matching.unmatched
        found = listed(session, name, after, PAGE + 1)
        everybody = None if linked else people.directory(session, limit=MOST_OPTIONS + 1)
    more = len(found) > PAGE
    return render_template(
        "source_accounts.html",
        status=status,
        linked=linked,
        accounts=found[:PAGE],
        why=matching.WHY,
        everybody=everybody if everybody is not None and len(everybody) <= MOST_OPTIONS else None,
        next_url=url_for(".accounts", name=name, linked="yes" if linked else None, after=found[PAGE - 1].id)
        if more
        else None,
    )


@blueprint.post("/admin/accounts/<int:identity>/unlink")
@admin_only
def unlink(identity: int) -> ResponseReturnValue:
    """Say that an account is not this person."""

    def work(session: Session) -> tuple[Identity, merging.Unlinked]:
        row = session.get(Identity, identity)
        if row is None:
            abort(404)
        return row, merging.unlink(session, identity, now(), me().id)

    row, done = db().write(work)
    flash(
        ngettext(
            "%(account)s is unlinked; %(num)s fact waits again.",
            "%(account)s is unlinked; %(num)s facts wait again.",
            done.waiting,
            account=row.name or row.account,
        ),
        "success",
    )
    if done.staying:
        flash(
            ngettext(
                "%(num)s fact counted in a closed week and stays there.",
                "%(num)s facts counted in closed weeks and stay there.",
                done.staying,
            ),
            "info",
        )
    back = (
        url_for(".accounts", name=row.source) if row.source in config().plugins else url_for("admin.sources")
    )
    return redirect(back, 303)


@blueprint.route("/admin/people/<handle>/merge", methods=["GET", "POST"])
@admin_only
def merge(handle: str) -> ResponseReturnValue:
    """Two who are one: name the other, look at what would happen, do it."""
    into, reason = request.form.get("into", ""), request.form.get("reason", "")
    seen, other, error = None, None, None
    if request.method == "POST":
        try:
            if request.form.get("do") == "it":
                return _merged(handle, into, reason, row_number(request.form.get("facts", "")))
            with db().reading() as session:
                person, other = _two(session, handle, into)
                merging.clean_reason(reason)
                seen = merging.preview_merge(session, person, other)
        except Invalid as problem:
            error, other = problem.message, None
    with db().reading() as session:
        person = _person(session, handle)
        likely = matching.namesakes_of(session, person)
    return render_template(
        "admin_merge.html",
        person=person,
        into=into,
        reason=reason,
        other=other,
        seen=seen,
        error=error,
        likely=likely,
        why=matching.WHY,
    )


def _merged(handle: str, into: str, reason: str, facts: int | None) -> ResponseReturnValue:
    def work(session: Session) -> tuple[Person, Person]:
        person, other = _two(session, handle, into)
        if merging.preview_merge(session, person, other).facts != facts:
            raise Invalid(_("Meanwhile the numbers have changed. Look at them again before you go on."))
        row = merging.merge(session, person.id or 0, other.id or 0, reason, now(), me().id)
        tell_again(session, [other], "merged", row.id or 0, now())
        return person, other

    person, other = db().write(work)
    flash(_("%(name)s is %(other)s now.", name=person.handle, other=other.handle), "success")
    return redirect(url_for("admin_people.edit", handle=other.handle), 303)


@blueprint.post("/admin/merges/<int:merge>/undo")
@admin_only
def undo(merge: int) -> ResponseReturnValue:
    """Make two of one again."""

    def work(session: Session) -> tuple[Person, Person]:
        try:
            row = merging.unmerge(session, merge, now(), me().id)
        except LookupError:
            abort(404)
        person, other = (session.get_one(Person, id_) for id_ in (row.person_id, row.into_id))
        tell_again(session, [person, other], "merged", row.id or 0, now())
        return person, other

    person, other = db().write(work)
    flash(_("%(name)s and %(other)s are two again.", name=person.handle, other=other.handle), "success")
    return redirect(url_for("admin_people.edit", handle=person.handle), 303)


def _two(session: Session, handle: str, into: str) -> tuple[Person, Person]:
    person, other = _person(session, handle), people.find(session, into)
    if other is None:
        raise Invalid(_("Nobody here has this handle or address."), "into")
    if person.id == me().id:
        raise Invalid(_("That would end your own sign-in. Merge the other account into yours."), "into")
    return person, other


def _person(session: Session, handle: str) -> Person:
    person = people.find(session, handle)
    if person is None:
        abort(404)
    return person


def merges_shown(work: Session, person: Person) -> list[tuple[Merge, Person, Person, str]]:
    """The merges that this person is part of: each with who became whom, and the name of who did it."""
    rows = merging.merges_of(work, person.id or 0)
    named = people.by_id(
        work, [id_ for row in rows for id_ in (row.person_id, row.into_id, row.merged_by or 0)]
    )
    return [
        (
            row,
            named[row.person_id],
            named[row.into_id],
            named[row.merged_by].name if row.merged_by in named else "",
        )
        for row in rows
    ]
