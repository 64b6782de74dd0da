"""/weeks: what each week was; /lead/weeks: preparing and announcing it; /lead/team/<team>/channels: where announcements go."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session, select

from leaderboard import announcements, ledger, people, recognition
from leaderboard.guidelines import BY_SLUG
from leaderboard.plugin import Invalid
from leaderboard.recognition import category_name
from leaderboard.tables import ClosedWeek, Person, Team
from leaderboard.web import config, db, now
from leaderboard.web.access import lead_only, leads, limited, me, require_lead
from leaderboard.web.export import csv_file
from leaderboard.web.lead import done, refused
from leaderboard.web.pages import iso
from leaderboard.weeks import Week

blueprint = Blueprint("weeks", __name__)

PER_PAGE = 6
MOST_WEEKS = 104
"""Of the file: two years."""
MOST_LARGE = 3
"""Winners whose words stand large above the list."""


class Latest(NamedTuple):
    """Winners of one team's week, to be read first."""

    week: Week
    team: Team
    winners: list[recognition.Winner]


# ---------------------------------------------------------------- for everybody


@blueprint.get("/weeks")
def index() -> ResponseReturnValue:
    """Closed weeks, the newest first, with who was celebrated."""
    before = _week(request.args["before"]) if "before" in request.args else None
    with db().reading() as session:
        found = recognition.recent(session, me(), before, PER_PAGE + 1)
        running = _own_team_week(session)
    latest = None if before else _latest(found, me())
    more = url_for(".index", before=str(found[PER_PAGE - 1][0])) if len(found) > PER_PAGE else None
    return render_template(
        "weeks.html",
        weeks=found[:PER_PAGE],
        latest=latest,
        running=running,
        next_url=more,
        category_names=category_names(),
    )


def _latest(found: list[tuple[Week, list[recognition.TeamWeek]]], viewer: Person) -> Latest | None:
    """The newest winners to read about: of the viewer's team, else of the team with most to read; most words first."""
    for asked, parts in found:
        told = [
            Latest(asked, part.team, sorted(spoken, key=lambda one: -len(one.words))[:MOST_LARGE])
            for part in parts
            if (spoken := [winner for winner in part.winners if winner.words])
        ]
        if told:
            return max(told, key=lambda one: (one.team.id == viewer.team_id, len(one.winners[0].words)))
    return None


@blueprint.get("/weeks.csv")
def index_csv() -> ResponseReturnValue:
    """Who was celebrated, week by week; a week without a winner has a line as well."""
    with db().reading() as session:
        found = recognition.recent(session, me(), limit=MOST_WEEKS)
    names = category_names()
    rows: list[tuple[str | None, ...]] = []
    for asked, parts in found:
        for part in parts:
            at = part.closed.announced_at if part.closed else None
            line = (str(asked), part.team.name, iso(at) if at else None)
            rows += [(*line, names[one.category], one.person.name, one.words) for one in part.winners] or [
                (*line, None, None, None)
            ]
    header = (_("Week"), _("Team"), _("Announced"), _("Category"), _("Winner"), _("Words"))
    return csv_file("weeks", header, rows)


@blueprint.get("/weeks/<week>")
def week(week: str) -> ResponseReturnValue:
    """One week: of the company, or with ?team= of a team, as it was announced."""
    asked, viewer = _week(week), me()
    with db().reading() as session:
        is_last = asked + 1 >= ledger.next_week(session, now())
        if "team" not in request.args:
            teams, places, provisional = recognition.page_of_company(session, asked, viewer, now())
            return render_template(
                "week_company.html",
                week=asked,
                is_last=is_last,
                teams=teams,
                places=places,
                provisional=provisional,
                category_names=category_names(),
            )
        team = _team(session, request.args["team"])
        page = recognition.page_of_team(session, team, asked, viewer)
        return render_template(
            "week.html",
            team=team,
            week=asked,
            is_last=is_last,
            page=page,
            may_prepare=leads(session, viewer, team.id or 0),
            closes_at=recognition.closes_at(config(), team, asked),
            category_names=category_names(),
        )


@blueprint.get("/weeks/<week>.csv")
def week_csv(week: str) -> ResponseReturnValue:
    """The frozen standings of a team's week (without ?team= the company's) as a file, named as this viewer sees people."""
    asked = _week(week)
    with db().reading() as session:
        if "team" in request.args:
            team = _team(session, request.args["team"])
            name, lines = team.slug, recognition.standings_of(session, team, asked, me())
        else:
            name, lines = "company", recognition.page_of_company(session, asked, me(), now())[1]
    rows = [(line.rank, line.person.name, line.points) for line in lines]
    return csv_file(f"{name}-{asked}", (_("Rank"), _("Name"), _("Points")), rows)


# ---------------------------------------------------------------- for leads


@blueprint.get("/lead/weeks")
@lead_only
def lead_index() -> ResponseReturnValue:
    """Straight to the week to prepare where one leads one team; otherwise a choice of teams."""
    person = me()
    with db().reading() as session:
        teams = people.teams(session) if person.role == "admin" else people.teams_led_by(session, person)
        found = [(team, recognition.to_prepare(session, team, now())) for team in teams]
    if len(found) == 1:
        return redirect(url_for(".prepare", team=found[0][0].slug, week=str(found[0][1])))
    return render_template("lead_weeks.html", teams=found)


@blueprint.get("/lead/weeks/<team>/<week>")
@lead_only
def prepare(team: str, week: str) -> ResponseReturnValue:
    """One week as its lead prepares it: what waits while it is open; winners, words and the message once it is closed."""
    return _prepare(team, week)


@blueprint.post("/lead/weeks/<team>/<week>")
@lead_only
def save(team: str, week: str) -> ResponseReturnValue:
    """Keep the words; with `action=announce` announce them as well, and with `action=undo` take that back within a minute.

    A form with `desk` is the one on the lead's desk, which shows the outcome in its place.
    """
    person, key = me(), f"week-{team}-{week}"
    on_desk, action = "desk" in request.form, request.form.get("action")
    if action == "undo":
        return _undo_announcement(team, week, key)
    words = {
        int(name.removeprefix("words-")): text
        for name, text in request.form.items()
        if re.fullmatch(r"words-[0-9]{1,15}", name)
    }
    announcing = action == "announce"
    try:
        with db().writing() as session:
            closed = _closed(session, team, week)
            recognition.save_words(session, closed.id or 0, person, request.form.get("opening", ""), words)
            if announcing:
                recognition.announce(session, config(), closed.id or 0, now(), person)
    except Invalid as error:
        return refused(key, error) if on_desk else (_prepare(team, week, error, dict(request.form)), 422)
    if on_desk:
        return done(key, None if announcing else "kept")
    if announcing:
        flash(_("Announced. The page of the week stays as it is now."), "success")
        return redirect(url_for(".week", week=week, team=team), 303)
    flash(_("Kept. Below you see what the channels will get."), "success")
    return redirect(url_for(".prepare", team=team, week=week, _anchor="message"), 303)


def _undo_announcement(team: str, week: str, key: str) -> ResponseReturnValue:
    try:
        with db().writing() as session:
            closed = _closed(session, team, week)
            recognition.undo_announcement(session, closed.id or 0, me(), now())
    except Invalid as error:
        return refused(key, error)
    return done(key, "again")


@blueprint.post("/lead/weeks/<team>/<week>/close")
@lead_only
def close(team: str, week: str) -> ResponseReturnValue:
    """Close an ended week before its hour."""
    person, asked = me(), _week(week)

    def work(session: Session) -> None:
        row = _team(session, team)
        require_lead(session, person, row.id or 0)
        recognition.close_week(session, config(), row.id or 0, asked, now(), person)

    try:
        db().write(work)
    except Invalid as error:
        flash(error.message, "danger")
    return redirect(url_for(".prepare", team=team, week=week), 303)


@blueprint.post("/lead/weeks/<team>/<week>/winners/<int:recognition_id>/drop")
@lead_only
def drop(team: str, week: str, recognition_id: int) -> ResponseReturnValue:
    """Take a winner out with a reason, and put somebody else in their place where one is chosen."""
    reason, chosen = request.form.get("reason", ""), request.form.get("person", "")
    category = request.form.get("category", "")

    def work(session: Session, closed: ClosedWeek, person: Person) -> None:
        recognition.drop(session, closed.id or 0, recognition_id, reason, person, now())
        if chosen:
            recognition.pick(session, closed.id or 0, category, chosen, reason, person, now())

    return _change(team, week, work)


@blueprint.post("/lead/weeks/<team>/<week>/winners/<int:recognition_id>/restore")
@lead_only
def restore(team: str, week: str, recognition_id: int) -> ResponseReturnValue:
    """Bring a dropped winner back."""
    return _change(
        team,
        week,
        lambda session, closed, person: recognition.take_back_drop(
            session, closed.id or 0, recognition_id, person
        ),
    )


@blueprint.post("/lead/weeks/<team>/<week>/winners")
@lead_only
def pick(team: str, week: str) -> ResponseReturnValue:
    """Make somebody a winner beside the others."""
    category, _sep, chosen = request.form.get("candidate", "").partition(" ")
    reason = request.form.get("reason", "")

    def work(session: Session, closed: ClosedWeek, person: Person) -> None:
        recognition.pick(session, closed.id or 0, category, chosen, reason, person, now())

    return _change(team, week, work)


@blueprint.post("/lead/weeks/<team>/<week>/messages/<int:message_id>")
@lead_only
def decide(team: str, week: str, message_id: int) -> ResponseReturnValue:
    """What a person decides about a message: it arrived, or send it again."""
    arrived = request.form.get("decision") == "arrived"

    def work(session: Session, closed: ClosedWeek, person: Person) -> None:
        if message_id not in {row.id for row, _channel in announcements.of_week(session, closed.id or 0)}:
            abort(404)
        (announcements.it_arrived if arrived else announcements.send_again)(session, message_id, now())

    return _change(team, week, work)


# ---------------------------------------------------------------- channels


@blueprint.get("/lead/team/<team>/channels")
@lead_only
def channels(team: str) -> ResponseReturnValue:
    """Where this team's announcements go."""
    return _channels(team)


@blueprint.post("/lead/team/<team>/channels")
@lead_only
@limited("20 per minute")
def add_channel(team: str) -> ResponseReturnValue:
    """A new channel; its address is looked at before anything is kept."""
    person, form = me(), dict(request.form)
    with db().reading() as session:
        require_lead(session, person, _team(session, team).id or 0)
    try:
        target = announcements.check_target(config(), form.get("kind", ""), form.get("target", ""))
        with db().writing() as session:
            row = _team(session, team)
            require_lead(session, person, row.id or 0)
            announcements.add_channel(session, row.id or 0, form["kind"], form.get("name", ""), target)
    except Invalid as error:
        return _channels(team, error, form), 422
    flash(_("The channel is kept. Send a test message to be sure."), "success")
    return redirect(url_for(".channels", team=team), 303)


@blueprint.post("/lead/team/<team>/channels/<int:channel_id>/remove")
@lead_only
def remove_channel(team: str, channel_id: int) -> ResponseReturnValue:
    """Send nothing there any more, and forget its address."""
    person = me()
    try:
        with db().writing() as session:
            row = _team(session, team)
            require_lead(session, person, row.id or 0)
            announcements.remove_channel(session, row.id or 0, channel_id)
    except Invalid as error:
        flash(error.message, "danger")
    else:
        flash(_("The channel is gone, and its address with it."), "success")
    return redirect(url_for(".channels", team=team), 303)


@blueprint.post("/lead/team/<team>/channels/<int:channel_id>/test")
@lead_only
@limited("10 per minute")
def try_channel(team: str, channel_id: int) -> ResponseReturnValue:
    """Send a test message now, and say how it went."""
    person = me()
    with db().reading() as session:
        row = _team(session, team)
        require_lead(session, person, row.id or 0)
        channel = next(
            (one for one in announcements.channels(session, row.id or 0) if one.id == channel_id), None
        )
    if channel is None:
        abort(404)
    subject = _("A test from Extra Mile")
    text = announcements.plain(
        _("%(name)s tries the channel of %(team)s. It works.", name=person.name, team=row.name)
    )
    try:
        announcements.send(config(), channel.kind, channel.target, subject, text)
    except announcements.NotSent as error:
        flash(_("%(channel)s: %(problem)s.", channel=channel.name, problem=error), "danger")
    else:
        flash(_("%(channel)s: the test message was taken.", channel=channel.name), "success")
    return redirect(url_for(".channels", team=team), 303)


# ---------------------------------------------------------------- what the routes share


Change = Callable[[Session, ClosedWeek, Person], None]


class Running(NamedTuple):
    """The viewer's team, its present week and when that closes."""

    team: Team
    week: Week
    closes_at: datetime


def category_names() -> dict[str, str]:
    """The categories as people read them."""
    return {category: category_name(category, BY_SLUG) for category in recognition.CATEGORIES}


def _own_team_week(session: Session) -> Running:
    team = session.get_one(Team, me().team_id)
    present = people.zones(team).week_of(now())
    return Running(team, present, recognition.closes_at(config(), team, present))


def _week(text: str) -> Week:
    try:
        return Week.parse(text)
    except ValueError:
        abort(404)


def _team(session: Session, slug: str) -> Team:
    team = session.exec(select(Team).where(Team.slug == slug)).first() if slug.isprintable() else None
    if team is None:
        abort(404)
    return team


def _closed(session: Session, team: str, week: str) -> ClosedWeek:
    """The closed week of a team that the viewer leads; 404 otherwise."""
    row = _team(session, team)
    require_lead(session, me(), row.id or 0)
    closed = recognition.closed_week(session, row.id or 0, _week(week))
    if closed is None:
        abort(404)
    return closed


def _change(team: str, week: str, work: Change) -> ResponseReturnValue:
    """One change of a closed week by its lead; a refusal is shown where it was made."""
    person = me()
    try:
        with db().writing() as session:
            work(session, _closed(session, team, week), person)
    except Invalid as error:
        return _prepare(team, week, error, dict(request.form)), 422
    return redirect(url_for(".prepare", team=team, week=week), 303)


def _prepare(team: str, week: str, error: Invalid | None = None, typed: dict[str, str] | None = None) -> str:
    asked, person = _week(week), me()
    with db().reading() as session:
        row = _team(session, team)
        require_lead(session, person, row.id or 0)
        at = recognition.preparation(session, config(), row, asked, person, now())
    return render_template(
        "announce.html",
        at=at,
        team=row,
        week=asked,
        error=error,
        typed=typed or {},
        category_names=category_names(),
    )


def _channels(team: str, error: Invalid | None = None, typed: dict[str, str] | None = None) -> str:
    with db().reading() as session:
        row = _team(session, team)
        require_lead(session, me(), row.id or 0)
        found = [(one, announcements.shown(one)) for one in announcements.channels(session, row.id or 0)]
    return render_template(
        "channels.html",
        team=row,
        channels=found,
        error=error,
        typed=typed or {},
        services=config().announce.schemas,
        has_mail=bool(config().mail.server),
    )
