"""/lead: what waits for a lead. Stories to judge, unhappy ratings to follow up, the team's promises, the team's settings."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import ledger, nominations, people, promises, thanks
from leaderboard.config import parse_clock
from leaderboard.database import beat
from leaderboard.guidelines import LAST
from leaderboard.nominations import Card
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Promise, Team
from leaderboard.web import access, config, db, now
from leaderboard.web.access import lead_only, me
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.pages import iso
from leaderboard.web.promises import CSV_COLUMNS, csv_row
from leaderboard.weeks import Week, closes_at

blueprint = Blueprint("lead", __name__)


@dataclass(frozen=True)
class Waiting:
    """A story to judge, and the week it counts in, with when that closes; `late`: that week is closed already."""

    story: Card
    week: Week
    until: datetime
    late: bool


@dataclass(frozen=True)
class TeamDesk:
    """A team of this lead's, with its promises and its unhappy ratings."""

    team: Team
    promises: list[tuple[Promise, Person]]
    unhappy: list[thanks.Unhappy]
    followed_up: list[thanks.Unhappy]


@blueprint.get("/lead")
@lead_only
def desk() -> ResponseReturnValue:
    """All that waits, on one page."""
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        waiting = nominations.to_judge(read, viewer)
        cards = nominations.cards(read, waiting, viewer)
        stories = [_waiting(read, card, each.team_id) for card, each in zip(cards, waiting, strict=True)]
        judged = nominations.cards(read, nominations.judged(read, viewer, now()), viewer)
        desks = [
            TeamDesk(
                team,
                promises.of_team(read, team.id or 0),
                thanks.follow_ups(read, [team.id or 0]),
                thanks.follow_ups(read, [team.id or 0], "done", limit=5),
            )
            for team in _teams(read, viewer)
        ]
    return render_template("lead.html", waiting=stories, judged=judged, desks=desks, prompts=LAST, now=now())


@blueprint.post("/lead/team/<slug>/settings")
@lead_only
def settings(slug: str) -> ResponseReturnValue:
    """Whether a lead accepts stories first, and whether the team shows a board."""
    accepts = request.form.get("accepts", "")
    if accepts not in ("lead", "at_once"):
        abort(400)
    with db().writing() as write:
        team = _team(write, slug)
        team.accepts, team.board = accepts, request.form.get("board") == "yes"
        write.add(team)
        beat(write, team.id or 0)
    flash(_("The settings of %(team)s are kept.", team=team.name), "success")
    return redirect(url_for(".desk") + f"#team-{team.slug}", 303)


@blueprint.get("/lead/follow-ups.csv")
@lead_only
def follow_ups_csv() -> ResponseReturnValue:
    """The unhappy ratings of this lead's teams, open ones first, and what was done about them."""
    with db().reading() as read:
        teams = [team.id or 0 for team in _teams(read, read.get_one(Person, me().id))]
        found = [
            each for state in ("open", "done") for each in thanks.follow_ups(read, teams, state, MOST_ROWS)
        ]
    header = (
        _("Happened"), _("Person"), _("Source"), _("Ticket"), _("Words"), _("Link"), _("State"), _("Followed up"),
        _("What was done"),
    )  # fmt: skip
    rows = [
        (
            iso(each.event.occurred_at), each.person.name if each.person else None, each.event.source,
            each.event.ticket, each.event.text, each.event.url, each.follow_up.state,
            iso(each.follow_up.done_at) if each.follow_up.done_at else None, each.follow_up.note,
        )
        for each in found
    ]  # fmt: skip
    return csv_file("follow-ups", header, rows)


@blueprint.get("/lead/decisions.csv")
@lead_only
def decisions_csv() -> ResponseReturnValue:
    """The stories decided about lately, as the desk lists them."""
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        found = nominations.cards(read, nominations.judged(read, viewer, now()), viewer)
    rows = [
        (
            iso(card.told_at), ", ".join(person.name for person in card.nominees), card.nominator.name,
            card.guideline, card.status,
        )
        for card in found
    ]  # fmt: skip
    header = (_("Told"), _("About"), _("Told by"), _("Guideline"), _("Decision"))
    return csv_file("decisions", header, rows)


@blueprint.post("/lead/follow-ups/<int:number>")
@lead_only
def follow_up(number: int) -> ResponseReturnValue:
    """Close a follow-up with what was done, or open it again."""
    note, undo = request.form.get("note", ""), request.form.get("undo") == "yes"

    def work(write: Session) -> None:
        viewer = write.get_one(Person, me().id)
        team_id = thanks.team_of_follow_up(write, number)
        if team_id is None or not access.leads(write, viewer, team_id):
            raise LookupError(number)
        if undo:
            thanks.reopen(write, number)
        else:
            thanks.follow_up(write, number, viewer, note, now())

    try:
        db().write(work)
    except LookupError:
        abort(404)
    except Invalid as error:
        flash(error.message, "error")
    else:
        flash(_("It is open again.") if undo else _("Followed up. Thank you."), "success")
    return redirect(url_for(".desk") + "#follow-ups", 303)


@blueprint.get("/lead/team/<slug>/promises.csv")
@lead_only
def promises_csv(slug: str) -> ResponseReturnValue:
    """The team's unfinished promises, as a file."""
    with db().reading() as read:
        team = _team(read, slug)
        found = promises.of_team(read, team.id or 0, limit=10_000)
    return csv_file(f"promises-{slug}", CSV_COLUMNS, [csv_row(row, maker) for row, maker in found])


def _teams(read: Session, viewer: Person) -> list[Team]:
    """The teams that somebody leads by name; an admin who leads none looks after all."""
    led = people.teams_led_by(read, viewer)
    return led or (people.teams(read) if viewer.role == "admin" else [])


def _team(session: Session, slug: str) -> Team:
    """The team with this slug that the viewer leads; a foreign one and a missing one answer alike."""
    viewer = session.get_one(Person, me().id)
    team = next((team for team in people.teams(session) if team.slug == slug), None)
    if team is None or not access.leads(session, viewer, team.id or 0):
        abort(404)
    return team


def _waiting(read: Session, card: Card, team_id: int) -> Waiting:
    team = read.get_one(Team, team_id)
    zones = people.zones(team)
    week = zones.week_of(card.told_at)
    until = closes_at(zones, week, parse_clock(team.closes_at or config().week.closes_at))
    return Waiting(card, week, until, ledger.is_closed(read, team_id, week))
