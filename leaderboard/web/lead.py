"""/lead: the desk. What waits, each done in its place; the team's promises and settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlmodel import Session

from leaderboard import desk as desks
from leaderboard import nominations, people, promises, thanks
from leaderboard.database import beat
from leaderboard.guidelines import BY_SLUG, LAST
from leaderboard.plugin import Invalid
from leaderboard.recognition import CATEGORIES, category_name
from leaderboard.tables import Person, Promise, Team
from leaderboard.web import access, config, db, now
from leaderboard.web.access import lead_only, me
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.pages import iso
from leaderboard.web.promises import CSV_COLUMNS, csv_row

blueprint = Blueprint("lead", __name__)


SAID = {
    "again": _l("Undone. It waits again."),
    "kept": _l("Your words are kept. The message below is what the channels will get."),
}
"""What a page says of something that still waits, by what the viewer has just done with it."""


@dataclass(frozen=True)
class TeamDesk:
    """A team of this lead's, with its open promises and the unhappy ratings followed up last."""

    team: Team
    promises: list[tuple[Promise, Person]]
    followed_up: list[thanks.Unhappy]


@dataclass(frozen=True)
class Problem:
    """Why something could not be done, with what was typed, beside the thing on the desk that `key` names."""

    key: str
    message: str
    typed: Mapping[str, str]


@blueprint.get("/lead")
@lead_only
def desk() -> ResponseReturnValue:
    """All that waits, the most urgent first; `?at=` names what was done a moment ago."""
    return _page(request.args.get("at", ""), said=SAID.get(request.args.get("said", "")))


@blueprint.post("/lead/stories/<story>")
@lead_only
def judge(story: str) -> ResponseReturnValue:
    """Accept a story, send it back with a reason, or undo that within a minute."""
    reason = request.form.get("reason", "").strip() or request.form.get("suggestion", "")

    def accept(write: Session, viewer: Person) -> None:
        nominations.accept(write, story, viewer, now())

    def decline(write: Session, viewer: Person) -> None:
        nominations.decline(write, story, viewer, reason, now())

    def undo(write: Session, viewer: Person) -> None:
        nominations.undo(write, story, viewer, now())

    def find(write: Session, viewer: Person) -> None:
        nominations.find(write, story, viewer)

    return _do(f"story-{story}", find, {"accept": accept, "decline": decline, "undo": undo})


@blueprint.post("/lead/promises/<promise>")
@lead_only
def confirm(promise: str) -> ResponseReturnValue:
    """Confirm that a promise was kept, or take that back."""

    def find(write: Session, viewer: Person) -> None:
        promises.find(write, promise, viewer)

    def yes(write: Session, viewer: Person) -> None:
        promises.confirm(write, promise, viewer, now())

    def undo(write: Session, viewer: Person) -> None:
        promises.take_back(write, promise, viewer, now())

    return _do(f"promise-{promise}", find, {"confirm": yes, "undo": undo})


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
        teams = [team.id or 0 for team in desks.teams_of(read, read.get_one(Person, me().id))]
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
    note = request.form.get("note", "")

    def find(write: Session, viewer: Person) -> None:
        team_id = thanks.team_of_follow_up(write, number)
        if team_id is None or not access.leads(write, viewer, team_id):
            raise LookupError(number)

    def close(write: Session, viewer: Person) -> None:
        thanks.follow_up(write, number, viewer, note, now())

    def undo(write: Session, _viewer: Person) -> None:
        thanks.reopen(write, number)

    return _do(f"unhappy-{number}", find, {"close": close, "undo": undo})


@blueprint.get("/lead/team/<slug>/promises.csv")
@lead_only
def promises_csv(slug: str) -> ResponseReturnValue:
    """The team's unfinished promises, as a file."""
    with db().reading() as read:
        team = _team(read, slug)
        found = promises.of_team(read, team.id or 0, limit=10_000)
    return csv_file(f"promises-{slug}", CSV_COLUMNS, [csv_row(row, maker) for row, maker in found])


def _team(session: Session, slug: str) -> Team:
    """The team with this slug that the viewer leads; a foreign one and a missing one answer alike."""
    viewer = session.get_one(Person, me().id)
    team = next((team for team in people.teams(session) if team.slug == slug), None)
    if team is None or not access.leads(session, viewer, team.id or 0):
        abort(404)
    return team


Step = Callable[[Session, Person], None]


def _do(key: str, find: Step, steps: Mapping[str, Step]) -> ResponseReturnValue:
    """Do what the form's `do` says with something that the viewer may decide about; what they may not see is not there."""
    step = steps.get(request.form.get("do", "")) or abort(400)

    def work(write: Session) -> None:
        viewer = write.get_one(Person, me().id)
        find(write, viewer)
        step(write, viewer)

    try:
        db().write(work)
    except LookupError:
        abort(404)
    except PermissionError:
        abort(403)
    except Invalid as error:
        return refused(key, error)
    return done(key)


def done(key: str, said: str | None = None) -> ResponseReturnValue:
    """The desk with what was done still in its place, and its way back."""
    if request.form.get("do") == "undo":
        said = "again"
    return redirect(url_for("lead.desk", at=key, said=said, _anchor=key), 303)


def refused(key: str, error: Invalid) -> ResponseReturnValue:
    """The desk as it is now, with the reason beside what could not be done and with what was typed."""
    typed = {name: text for name, text in request.form.items() if name not in ("csrf_token", "do")}
    page = _page(key, Problem(key, error.message, typed))
    # A part of a page is shown by the browser's script only where the answer is no error.
    return page, 200 if request.headers.get("HX-Request") else 422


def _page(asked: str, problem: Problem | None = None, said: str | None = None) -> str:
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        found = desks.desk(read, config(), viewer, now(), asked)
        judged = nominations.cards(read, nominations.judged(read, viewer, now()), viewer)
        teams = [TeamDesk(team, *_of_team(read, team)) for team in found.teams]
    return render_template(
        "lead.html",
        desk=found,
        judged=judged,
        teams=teams,
        prompts=LAST,
        asked=asked,
        problem=problem,
        said=said,
        desk_action=_action,
        now=now(),
        category_names={each: category_name(each, BY_SLUG) for each in CATEGORIES},
    )


def _action(item: desks.Item) -> str:
    """Where the forms of something on the desk go."""
    if item.story:
        return url_for("lead.judge", story=item.story.card.id)
    if item.winners:
        return url_for("weeks.save", team=item.winners.team.slug, week=str(item.winners.week))
    if item.kept:
        return url_for("lead.confirm", promise=item.kept.promise.uid)
    return url_for("lead.follow_up", number=item.unhappy.follow_up.id if item.unhappy else 0)


def _of_team(read: Session, team: Team) -> tuple[list[tuple[Promise, Person]], list[thanks.Unhappy]]:
    return (
        [each for each in promises.of_team(read, team.id or 0) if each[0].state == "open"],
        thanks.follow_ups(read, [team.id or 0], "done", limit=5),
    )
