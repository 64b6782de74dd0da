"""/admin/people and /admin/teams: who is here, what they may do, how their teams work."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from sqlmodel import Session
from wtforms import BooleanField, DateField, EmailField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from leaderboard import people
from leaderboard.people import MAX_EMAIL, MAX_NAME, PersonFields, TeamFields
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Team
from leaderboard.web import config, db, now, row_number
from leaderboard.web.access import admin_only, me
from leaderboard.web.admin_accounts import merges_shown
from leaderboard.web.export import csv_file
from leaderboard.web.forms import Form, options, stripped
from leaderboard.web.sign_in import link_to_set_password
from leaderboard.weeks import zone_names

blueprint = Blueprint("admin_people", __name__)

PAGE = 100
EVERYBODY = 1_000_000
MOST_PASTED = 48 * 1024
"""Bytes: what a form surely takes again."""


class PersonForm(Form):
    name = StringField(_l("Name"), [InputRequired(), Length(max=MAX_NAME)], filters=[stripped])
    email = EmailField(_l("E-mail address"), [InputRequired(), Length(max=MAX_EMAIL)], filters=[stripped])
    team = SelectField(_l("Team"), validate_choice=True)
    role = SelectField(
        _l("Role"),
        choices=options(("member", _l("Member")), ("lead", _l("Team lead")), ("admin", _l("Admin"))),
        description=_l(
            "A lead leads the own team; the team's page adds more. A new role signs the person out."
        ),
    )
    timezone = StringField(
        _l("Time zone"),
        [Optional(), Length(max=60)],
        filters=[stripped],
        description=_l("Empty: the team's."),
    )
    joined_on = DateField(
        _l("Joined on"), [Optional()], description=_l("Newcomers are not ranked in their first 14 days.")
    )


class TeamForm(Form):
    name = StringField(_l("Name"), [InputRequired(), Length(max=MAX_NAME)], filters=[stripped])
    timezone = StringField(
        _l("Time zone"),
        [InputRequired(), Length(max=60)],
        filters=[stripped],
        description=_l("It makes the team's weeks. A change holds from the next Monday on."),
    )
    accepts = SelectField(
        _l("Stories"),
        choices=options(("lead", _l("A lead accepts them first")), ("at_once", _l("Count at once"))),
    )
    board = BooleanField(_l("Show a ranking"))
    autopilot = BooleanField(
        _l("Announce by itself"),
        description=_l("On Tuesday, what no lead has announced by then."),
    )
    closes_at = StringField(
        _l("Hour on Monday at which the week closes"),
        [Optional(), Length(max=5)],
        filters=[stripped],
        description=_l("As 09:00. Empty: as the whole company does."),
    )


class ImportForm(Form):
    table = TextAreaField(
        _l("Your table"),
        [Optional()],
        description=_l(
            "Copied from a spreadsheet or as CSV: names, e-mail addresses and, if you like, teams and roles. "
            "Headings in English or German are understood; without them the columns are name, e-mail, team, role. "
            "A list of addresses will do, too."
        ),
    )
    file = FileField(
        _l("Or a file"),
        [Optional()],
        description=_l(
            "As CSV (UTF-8), with the same columns; time zone and day of joining may be among them."
        ),
    )
    team = StringField(
        _l("Team of those for whom none is named"),
        [InputRequired(), Length(max=MAX_NAME)],
        filters=[stripped],
        description=_l("A new name makes a new team."),
    )


# --- people -------------------------------------------------------------------------------------------------


@blueprint.get("/admin/people")
@admin_only
def roster() -> ResponseReturnValue:
    """Everybody, leavers too, found by name, address or team."""
    text, team = request.args.get("name", ""), row_number(request.args.get("team", ""))
    after = row_number(request.args.get("after", ""))
    with db().reading() as work:
        found = people.directory(work, text, team, after, PAGE + 1, leavers=True)
        teams = people.teams(work)
    next_url = None
    if len(found) > PAGE:
        next_url = url_for(".roster", name=text or None, team=team, after=found[PAGE - 1][0].id)
    return render_template(
        "admin_people.html",
        people=found[:PAGE],
        name=text,
        team=str(team or ""),
        team_options=[("", _("All teams")), *((str(one.id), one.name) for one in teams)],
        next_url=next_url,
    )


@blueprint.get("/admin/people.csv")
@admin_only
def roster_csv() -> ResponseReturnValue:
    """Everybody who is active, in the columns that the import takes."""
    with db().reading() as work:
        rows = [
            (
                person.name,
                person.email,
                team.name,
                person.role,
                person.timezone,
                person.joined_on.isoformat() if person.joined_on else None,
            )
            for person, team in people.directory(work, limit=EVERYBODY)
        ]
    return csv_file("people", ("name", "email", "team", "role", "timezone", "joined_on"), rows)


@blueprint.route("/admin/people/new", methods=["GET", "POST"])
@admin_only
def add() -> ResponseReturnValue:
    """A new person."""
    form = _person_form(None, None)
    if form.validate_on_submit():
        try:
            with db().writing() as work:
                person = people.add_person(work, _team_of(work, form.team.data), _said(form), now())
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("%(name)s is here.", name=person.name), "success")
            return redirect(url_for(".edit", handle=person.handle), 303)
    return render_template("admin_person.html", form=form, person=None, zones=sorted(zone_names()))


@blueprint.route("/admin/people/import", methods=["GET", "POST"])
@admin_only
def import_people() -> ResponseReturnValue:
    """A pasted table or a file: first what it would do, then doing it."""
    with db().reading() as work:
        teams = people.teams(work)
    own = next((team.name for team in teams if team.id == me().team_id), "")
    form = ImportForm(data={"team": own})
    report = None
    if form.validate_on_submit():
        content = form.file.data.read() if form.file.data else (form.table.data or "")
        try:
            team = people.clean_name(form.team.data or "", "team")
        except Invalid as error:
            form.blame(error)
        else:
            dry_run = request.form.get("do") != "it"
            with db().writing() as work:
                zone = config().week.timezone
                report = people.import_csv(work, content, now(), dry_run, zone=zone, team=team)
            form.table.data = "" if report.written else _as_pasted(content)
    return render_template("admin_import.html", form=form, report=report, teams=teams)


def _as_pasted(content: bytes | str) -> str:
    """A small file's text moves into the form, so that it need not be chosen again."""
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig") if len(content) <= MOST_PASTED else ""
    except UnicodeDecodeError:
        return ""


@blueprint.route("/admin/people/<handle>", methods=["GET", "POST"])
@admin_only
def edit(handle: str) -> ResponseReturnValue:
    """One person: what an admin may change."""
    with db().reading() as work:
        person = _person(work, handle)
        team = work.get_one(Team, person.team_id)
        passkeys = bool(person.webauthn)
        merges = merges_shown(work, person)
    form = _person_form(person, team)
    if form.validate_on_submit():
        try:
            with db().writing() as work:
                people.change_person(
                    work, _person(work, handle), _team_of(work, form.team.data), _said(form), now()
                )
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("The changes are kept."), "success")
            return redirect(url_for(".edit", handle=handle), 303)
    return render_template(
        "admin_person.html",
        form=form,
        person=person,
        zones=sorted(zone_names()),
        protected=bool(person.tf_primary_method) or passkeys,
        merges=merges,
        ways=config().sign_in,
    )


@blueprint.post("/admin/people/<handle>/deactivate")
@admin_only
def deactivate(handle: str) -> ResponseReturnValue:
    """Somebody left."""
    try:
        with db().writing() as work:
            person = _person(work, handle)
            people.deactivate(work, person, now())
    except Invalid as error:
        flash(error.message, "error")
    else:
        flash(_("%(name)s cannot sign in any more.", name=person.name), "success")
    return redirect(url_for(".edit", handle=handle), 303)


@blueprint.post("/admin/people/<handle>/reactivate")
@admin_only
def reactivate(handle: str) -> ResponseReturnValue:
    """Somebody is back."""
    with db().writing() as work:
        person = _person(work, handle)
        people.reactivate(work, person, now())
    flash(_("%(name)s is back.", name=person.name), "success")
    return redirect(url_for(".edit", handle=handle), 303)


@blueprint.post("/admin/people/<handle>/sign-out")
@admin_only
def sign_out(handle: str) -> ResponseReturnValue:
    """End somebody's sessions and tokens."""
    with db().writing() as work:
        people.end_sessions(work, _person(work, handle))
    flash(_("All sessions and tokens are ended."), "success")
    return redirect(url_for(".edit", handle=handle), 303)


@blueprint.post("/admin/people/<handle>/reset-second-factor")
@admin_only
def reset_second_factor(handle: str) -> ResponseReturnValue:
    """For somebody who lost their devices."""
    with db().writing() as work:
        people.reset_second_factor(work, _person(work, handle))
    flash(_("Second factor and passkeys are gone; the password is as it was."), "success")
    return redirect(url_for(".edit", handle=handle), 303)


@blueprint.post("/admin/people/<handle>/link")
@admin_only
def link(handle: str) -> ResponseReturnValue:
    """A link with which somebody sets a password: for the first day, and where no mail is sent."""
    if not config().sign_in.passwords:
        abort(404)
    with db().reading() as work:
        person = _person(work, handle)
    if not person.active:
        abort(404)
    return render_template("admin_link.html", person=person, link=link_to_set_password(person))


def _person(work: Session, handle: str) -> Person:
    person = people.find(work, handle)
    if person is None:
        abort(404)
    return person


def _team_of(work: Session, slug: str | None) -> Team:
    team = people.team_named(work, slug or "")
    if team is None:
        raise Invalid(_("Choose a team."), "team")
    return team


def _said(form: PersonForm) -> PersonFields:
    return PersonFields(
        form.name.data or "",
        form.email.data or "",
        form.role.data,
        form.timezone.data or None,
        form.joined_on.data,
    )


def _person_form(person: Person | None, team: Team | None) -> PersonForm:
    form = PersonForm(obj=person, data={"team": team.slug if team else None} if person is None else None)
    with db().reading() as work:
        form.team.choices = options(*((one.slug, one.name) for one in people.teams(work)))
    if team is not None and request.method == "GET":
        form.team.data = team.slug
    return form


# --- teams --------------------------------------------------------------------------------------------------


@blueprint.get("/admin/teams")
@admin_only
def teams() -> ResponseReturnValue:
    """Every team with its leads."""
    with db().reading() as work:
        rows = [(team, _leads(work, team)) for team in people.teams(work)]
    return render_template("admin_teams.html", rows=rows)


@blueprint.get("/admin/teams.csv")
@admin_only
def teams_csv() -> ResponseReturnValue:
    """Every team with its leads and settings."""
    with db().reading() as work:
        rows = [
            (
                team.name, team.slug, team.timezone, ", ".join(lead.name for lead in _leads(work, team)),
                team.accepts, _yes(team.board), _yes(team.autopilot), team.closes_at, team.first_week,
            )
            for team in people.teams(work)
        ]  # fmt: skip
    header = (
        _("Name"), _("Handle"), _("Time zone"), _("Leads"), _("Stories"), _("Show a ranking"),
        _("Announce by itself"), _("Closes at"), _("First week"),
    )  # fmt: skip
    return csv_file("teams", header, rows)


def _yes(it_is: bool) -> str:
    return str(_("yes") if it_is else _("no"))


@blueprint.route("/admin/teams/new", methods=["GET", "POST"])
@admin_only
def add_team() -> ResponseReturnValue:
    """A new team."""
    form = TeamForm(data={"timezone": config().week.timezone, "board": True, "accepts": "lead"})
    if form.validate_on_submit():
        try:
            with db().writing() as work:
                team = people.add_team(work, _said_of_team(form), now())
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("The team %(name)s is there.", name=team.name), "success")
            return redirect(url_for(".edit_team", slug=team.slug), 303)
    return render_template("admin_team.html", form=form, team=None, leads=[], zones=sorted(zone_names()))


@blueprint.route("/admin/teams/<slug>", methods=["GET", "POST"])
@admin_only
def edit_team(slug: str) -> ResponseReturnValue:
    """One team: how it judges, shows, closes; who leads it."""
    with db().reading() as work:
        team = _team(work, slug)
        leads = _leads(work, team)
        form = TeamForm(obj=team)
        if not form.is_submitted() and team.next_timezone:
            form.timezone.data = team.next_timezone
    if form.validate_on_submit():
        try:
            with db().writing() as work:
                people.change_team(work, _team(work, slug), _said_of_team(form), now())
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("The changes are kept."), "success")
            return redirect(url_for(".edit_team", slug=slug), 303)
    return render_template("admin_team.html", form=form, team=team, leads=leads, zones=sorted(zone_names()))


@blueprint.post("/admin/teams/<slug>/leads")
@admin_only
def change_leads(slug: str) -> ResponseReturnValue:
    """Add a lead (by handle or address), or let one go."""
    try:
        with db().writing() as work:
            team = _team(work, slug)
            person = people.find(work, request.form.get("person", ""))
            if person is None:
                raise Invalid(_("Nobody here has this handle or address."))
            others = [lead for lead in _leads(work, team) if lead.id != person.id]
            people.set_leads(work, team, others if request.form.get("do") == "remove" else [*others, person])
    except Invalid as error:
        flash(error.message, "error")
    else:
        flash(_("The leads are changed."), "success")
    return redirect(url_for(".edit_team", slug=slug), 303)


def _team(work: Session, slug: str) -> Team:
    team = people.team_named(work, slug)
    if team is None or team.slug != slug:
        abort(404)
    return team


def _leads(work: Session, team: Team) -> list[Person]:
    return [work.get_one(Person, lead) for lead in people.leads_of(work, team.id or 0)]


def _said_of_team(form: TeamForm) -> TeamFields:
    return TeamFields(
        form.name.data or "",
        form.timezone.data or "",
        form.accepts.data,
        bool(form.board.data),
        bool(form.autopilot.data),
        form.closes_at.data or None,
    )
