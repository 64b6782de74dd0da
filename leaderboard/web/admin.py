"""/admin: is everything running; /admin/sources and /admin/deliveries: what comes in, what failed, who is not linked."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import acts, deliveries, health, invitations, ledger, people, steps
from leaderboard.deliveries import matching
from leaderboard.guidelines import N_
from leaderboard.plugin import Delivery, Invalid, Plugin
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Person
from leaderboard.web import config, db, glance, lights, now, row_number
from leaderboard.web.access import admin_only, me
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.guide import PUT_AWAY
from leaderboard.web.home import fresh, unchanged
from leaderboard.web.pages import iso, near_day
from leaderboard.web.sources import days_of, plugin_of

blueprint = Blueprint("admin", __name__)

PAGE = 50
MOST_OPTIONS = 300
"""With more people than this, one is named by writing instead of choosing."""
MOST_ACCOUNTS = 50
ASTRAY = timedelta(days=7)
"""For how long an address that no source has is told of."""
SHOWN_BODY = 64 * 1024
STATES = {
    "done": N_("Taken in"),
    "ignored": N_("Not for us"),
    "failed": N_("Failed"),
    "pending": N_("Waiting"),
}
PROOFS = {
    "body": N_("The signature covers the whole body: nothing in it can be changed on the way."),
    "token": N_(
        "The tool proves itself by a token that does not cover the body: whoever learns the token can write anything."
    ),
    "url": N_(
        "Only the secret in the address proves the sender, and contents are not signed: keep the address to yourself."
    ),
}


# ------------------------------------------------------------------------------------------ at a glance


@blueprint.get("/admin")
@admin_only
def overview() -> ResponseReturnValue:
    """One glance: is it well, and what needs a person."""
    moment = now()
    found = health.check(db(), moment)
    with db().reading() as session:
        statuses = deliveries.source_statuses(session, config())
        shining = lights.lights(statuses, moment)
        beats = health.beats(session)
        return render_template(
            "admin.html",
            health=found,
            statuses=statuses,
            lights=shining,
            days=days_of(session, statuses),
            troubles=glance.troubles(session, found, statuses, shining, beats),
            figures=health.figures(session, moment),
            letters=invitations.progress(session).waiting,
            beats=beats,
            steps=None if request.cookies.get(PUT_AWAY) == "away" else steps.first_steps(session),
        )


# ------------------------------------------------------------------------------------------ sources


@blueprint.get("/admin/sources")
@admin_only
def sources() -> ResponseReturnValue:
    """Every source of the config, its light, and what is wrong where it is not green."""
    moment = now()
    with db().reading() as session:
        version = _version(lights.lights(deliveries.signals(session, config()), moment))
        if _knows(version):
            return unchanged(version)
        statuses = deliveries.source_statuses(session, config())
        astray = deliveries.astray(session)
        days = days_of(session, statuses)
    usual, shining = lights.usual(lights.lights(statuses, moment))
    page = render_template(
        "sources.html",
        found=list(zip(statuses, shining, strict=True)),
        usual=usual,
        days=days,
        version=version,
        astray=astray if astray and astray.last_at > moment - ASTRAY else None,
        address_of=address_of,
    )
    return fresh(make_response(page), version)


def _version(found: list[lights.Light], *more: object) -> str:
    """What tells an open page that a light has changed: it asks with If-None-Match, as the board does."""
    return lights.version(found, get_locale(), near_day(now().date()), *more)


def _knows(version: str) -> bool:
    """Whether this is an open page that has this version already."""
    return request.headers.get("HX-Request") == "true" and request.if_none_match.contains_weak(version)


@blueprint.get("/admin/sources.csv")
@admin_only
def sources_csv() -> ResponseReturnValue:
    """What each source brought, as a file."""
    with db().reading() as session:
        statuses = deliveries.source_statuses(session, config())
    header = (
        _("Source"), _("Tool"), _("Last delivery"), _("Last pull"), _("Facts"), _("Failed"), _("Waiting"),
        _("Accounts"), _("Unlinked accounts"), _("Refused"), _("Frozen since"),
    )  # fmt: skip
    rows = [
        (
            one.name, one.title, iso(one.last_delivery.received_at) if one.last_delivery else None,
            iso(one.state.pulled_at) if one.state.pulled_at else None, one.events,
            one.deliveries.get("failed", 0), one.deliveries.get("pending", 0), one.accounts, one.unlinked,
            one.state.refused, iso(one.state.frozen_at) if one.state.frozen_at else None,
        )
        for one in statuses
    ]  # fmt: skip
    return csv_file("sources", header, rows)


@blueprint.get("/admin/accounts.csv")
@admin_only
def accounts_csv() -> ResponseReturnValue:
    """The accounts that were met, of ?source= or all, and who each is."""
    with db().reading() as session:
        found = deliveries.accounts(session, _asked().source or None, MOST_ROWS)
    header = (
        _("Source"), _("Account"), _("Name there"), _("Address there"), _("Robot"), _("Person"), _("Linked"),
    )  # fmt: skip
    rows = [
        (
            row.source, row.account, row.name, row.email, _("yes") if row.bot else None,
            person.handle if person else None, iso(row.linked_at) if row.linked_at else None,
        )
        for row, person in found
    ]  # fmt: skip
    return csv_file("accounts", header, rows)


@blueprint.get("/admin/jobs.csv")
@admin_only
def jobs_csv() -> ResponseReturnValue:
    """When each job of the clock last ran, and how it went."""
    with db().reading() as session:
        beats = health.beats(session)
    rows = [
        (beat.job, iso(beat.started_at), iso(beat.finished_at) if beat.finished_at else None, beat.error)
        for beat in beats
    ]
    return csv_file("jobs", (_("Job"), _("Last run"), _("Ended"), _("Error")), rows)


@blueprint.get("/admin/sources/<name>")
@admin_only
def source(name: str) -> ResponseReturnValue:
    """One source: its light, the address to paste, what to tick, its accounts, its secrets, its past."""
    plugin, moment = plugin_of(name), now()
    with db().reading() as session:
        signals = deliveries.signals(session, config(), name)
        backfill = deliveries.backfilling.of_source(session, name)
        version = _version(lights.lights(signals, moment), backfill)
        if _knows(version):
            return unchanged(version)
        [status] = deliveries.source_statuses(session, config(), name)
        accounts = deliveries.unlinked(session, name, MOST_ACCOUNTS)
        everybody = people.directory(session, limit=MOST_OPTIONS + 1)
        days = days_of(session, [status])
        changing = deliveries.rotations(plugin, deliveries.newest(session, name))
        told = acts.told(session, name)
        likely = matching.suggested(session, accounts)
    page = render_template(
        "source.html",
        status=status,
        light=lights.light(status, moment),
        days=days.get(name),
        version=version,
        backfill=backfill,
        progress=deliveries.backfilling.progress(backfill) if backfill else None,
        most_days=deliveries.backfilling.MOST_DAYS,
        can_backfill=deliveries.can_backfill(plugin),
        told=told,
        address=address_of(name),
        proof=_(PROOFS[plugin.proof]),
        earns=plugin.earns,
        accounts=accounts,
        likely=likely,
        why=matching.WHY,
        everybody=everybody if len(everybody) <= MOST_OPTIONS else None,
        changing=changing,
        samples=deliveries.sample_names(plugin),
        can_try=deliveries.can_try(plugin),
    )
    return fresh(make_response(page), version)


@blueprint.post("/admin/sources/<name>/pull")
@admin_only
def pull(name: str) -> ResponseReturnValue:
    """Let the clock pull at its next tick: a pull may take longer than a browser waits."""
    if plugin_of(name).api_url() is None:
        abort(404)
    try:
        with db().writing() as session:
            deliveries.pull_soon(session, name, now())
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for(".source", name=name), 303)
    flash(_("The clock pulls it within half a minute. Load this page again to see how it went."), "success")
    return redirect(url_for(".source", name=name), 303)


@blueprint.post("/admin/accounts/<int:identity>/link")
@admin_only
def link(identity: int) -> ResponseReturnValue:
    """Say that an account is a person; what waited for it is credited now."""
    moment, name = now(), request.form.get("source", "")
    page = "admin_accounts.accounts" if request.form.get("back") == "accounts" else ".source"
    back = redirect(url_for(page, name=name) if name in config().plugins else url_for(".sources"), 303)

    def work(session: Session) -> tuple[Person, int]:
        person = people.find(session, request.form.get("person", ""))
        if person is None or not person.active or person.bot:
            raise Invalid(_("There is no such person here. Write a handle or an e-mail address."))
        if not deliveries.is_account(session, identity):
            abort(404)
        return person, ledger.link(session, identity, person.id or 0, moment, me().id)

    try:
        person, credited = db().write(work)
    except Invalid as error:
        flash(error.message, "error")
        return back
    flash(
        ngettext(
            "Linked to %(name)s; %(num)s fact that waited counts now.",
            "Linked to %(name)s; %(num)s facts that waited count now.",
            credited,
            name=person.name,
        ),
        "success",
    )
    return back


@blueprint.route("/admin/sources/<name>/test", methods=["GET", "POST"])
@admin_only
def test(name: str) -> ResponseReturnValue:
    """Show what a body would become, and store nothing."""
    plugin = plugin_of(name)
    use, body = request.form.get("use", "pasted"), request.form.get("body", "")
    found = None
    with db().reading() as session:
        last = deliveries.newest(session, name)
        if request.method == "POST":
            delivery = _chosen(plugin, last, use, body)
            body = delivery.body.decode("utf-8", "replace")
            found = deliveries.preview(session, name, plugin, delivery)
    return render_template(
        "source_test.html",
        name=name,
        title=type(plugin).title or name,
        use=use,
        body=body,
        found=found,
        last=last,
        samples=deliveries.sample_names(plugin),
    )


def _chosen(plugin: Plugin, last: DeliveryRow | None, use: str, body: str) -> Delivery:
    if use == "newest" and last is not None and last.body is not None:
        return Delivery(bytes(last.body), last.headers, last.received_at, url=last.url)
    if use.startswith("sample:"):
        try:
            return deliveries.sample(plugin, use.removeprefix("sample:"))
        except LookupError:
            abort(404)
    return Delivery(body.encode("utf-8", "replace"), {"content-type": "application/json"}, now())


# ------------------------------------------------------------------------------------------ deliveries


@dataclass(frozen=True)
class Asked:
    """Which deliveries the address asks for."""

    source: str
    state: str


@blueprint.get("/admin/deliveries")
@admin_only
def received() -> ResponseReturnValue:
    """Webhook calls, the newest first."""
    asked = _asked()
    with db().reading() as session:
        found = deliveries.listed(
            session,
            source=asked.source or None,
            state=asked.state or None,
            before=row_number(request.args.get("before", "")),
            limit=PAGE + 1,
        )
        remaining = deliveries.still_to_try(session, asked.source or None, now())
    chosen: dict[str, Any] = {"source": asked.source or None, "state": asked.state or None}
    return render_template(
        "deliveries.html",
        rows=found[:PAGE],
        asked=asked,
        states=STATES,
        source_options=[("", _("All sources")), *((name, name) for name in config().plugins)],
        state_options=[("", _("All")), *((state, _(text)) for state, text in STATES.items())],
        remaining=remaining,
        of=max(row_number(request.args.get("of", "")) or 0, remaining),
        next_url=url_for(".received", **chosen, before=found[PAGE - 1].id) if len(found) > PAGE else None,
        csv_url=url_for(".received_csv", **chosen),
    )


@blueprint.post("/admin/deliveries/again")
@admin_only
def read_all_again() -> ResponseReturnValue:
    """Have the clock read all failed deliveries again, of ?source= or all; the list shows how far it is."""
    source = _asked().source
    with db().writing() as session:
        count = deliveries.try_all_again(session, source or None, now())
    return redirect(url_for(".received", source=source or None, state="failed", of=count or None), 303)


@blueprint.get("/admin/deliveries.csv")
@admin_only
def received_csv() -> ResponseReturnValue:
    """The same as a file, without bodies."""
    asked = _asked()
    with db().reading() as session:
        found = deliveries.listed(
            session, source=asked.source or None, state=asked.state or None, limit=MOST_ROWS
        )
    header = (
        _("Number"), _("Source"), _("Received"), _("State"), _("New facts"), _("Known facts"), _("Tries"), _("Reason"),
    )  # fmt: skip
    rows = [
        (
            row.id, row.source, iso(row.received_at), row.state, row.events, row.repeated, row.attempts, row.reason,
        )
        for row in found
    ]  # fmt: skip
    return csv_file("deliveries", header, rows)


@blueprint.get("/admin/deliveries/<int:number>")
@admin_only
def delivery(number: int) -> ResponseReturnValue:
    """One call as it came, and what it brought."""
    with db().reading() as session:
        row = session.get(DeliveryRow, number)
        if row is None:
            abort(404)
        brought = deliveries.brought(session, number)
    return render_template(
        "delivery.html",
        row=row,
        state=_(STATES[row.state]),
        body=readable(bytes(row.body)) if row.body is not None else None,
        cut=row.body is not None and len(row.body) > SHOWN_BODY,
        brought=brought,
        configured=row.source in config().plugins,
    )


@blueprint.post("/admin/deliveries/<int:number>/replay")
@admin_only
def replay(number: int) -> ResponseReturnValue:
    """Read it again and post what is new; harmless as often as one likes."""
    try:
        receipt = deliveries.replay(db(), config(), number, now())
    except LookupError:
        abort(404)
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for(".delivery", number=number), 303)
    if receipt.state == "failed":
        flash(_("It still cannot be read; the reason is below."), "warning")
    else:
        flash(
            ngettext(
                "Read again: %(num)s new fact, %(known)s known already.",
                "Read again: %(num)s new facts, %(known)s known already.",
                receipt.new,
                known=receipt.repeated,
            ),
            "success",
        )
    return redirect(url_for(".delivery", number=number), 303)


# ------------------------------------------------------------------------------------------ small ones


def address_of(name: str) -> str:
    """What the tool's settings need: where it sends its webhooks."""
    return f"{config().public_url}/hooks/{name}"


def readable(body: bytes) -> str:
    """A body as text, JSON with one value per line; bytes that are no text are shown as what they are."""
    text = body[:SHOWN_BODY].decode("utf-8", "backslashreplace")
    if len(body) <= SHOWN_BODY:
        try:
            return json.dumps(json.JSONDecoder().decode(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return text


def _asked() -> Asked:
    source, state = request.args.get("source", ""), request.args.get("state", "")
    return Asked(source if source in config().plugins else "", state if state in STATES else "")
