"""/people and /people/<handle>: who is here, what was said about them, and where their points come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import nominations, people, standings, thanks
from leaderboard.config import OWN_SOURCE
from leaderboard.guidelines import BY_SLUG
from leaderboard.nominations import Card
from leaderboard.points import WHY
from leaderboard.tables import Person, Team
from leaderboard.thanks import Said
from leaderboard.web import access, config, db, now, row_number
from leaderboard.web.charts import OverTime, over_time
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.pages import KIND_NAMES, YEAR, iso, month
from leaderboard.weeks import periods

blueprint = Blueprint("people", __name__)

PAGE = 60
EVERYBODY = 1_000_000
MOMENTS = 12
ENTRIES = 25
SPANS = (12, 52)
"""Weeks that the pictures show."""


@dataclass(frozen=True)
class Moment:
    """Something that was said about a person: a colleague's story or a customer's thanks."""

    at: datetime
    story: Card | None = None
    thanks: Said | None = None


@dataclass(frozen=True)
class Entry:
    """A line of the ledger as this viewer may read it: `text`, `customer` and an outside `url` are not for everybody."""

    id: int
    at: datetime
    kind: str
    points: int
    full_points: int
    why: str
    week: str
    late: bool
    guideline: str
    source: str
    rules_version: int
    reverses: bool
    giver: Person | None
    customer: str | None
    text: str | None
    url: str | None


@blueprint.get("/people")
def directory() -> ResponseReturnValue:
    """Everybody by name, found by a few letters or by team."""
    name, team = request.args.get("name", ""), number("team")
    with db().reading() as session:
        found = people.directory(session, name, team, number("after"), PAGE + 1)
        teams = people.teams(session)
    chosen: dict[str, Any] = {"name": name or None, "team": team}
    return render_template(
        "people.html",
        people=found[:PAGE],
        name=name,
        team=str(team or ""),
        team_options=[("", _("All teams")), *((str(one.id), one.name) for one in teams)],
        next_url=url_for(".directory", **chosen, after=found[PAGE - 1][0].id) if len(found) > PAGE else None,
        csv_url=url_for(".directory_csv", **chosen),
    )


@blueprint.get("/people.csv")
def directory_csv() -> ResponseReturnValue:
    """The same people as a file."""
    with db().reading() as session:
        found = people.directory(session, request.args.get("name", ""), number("team"), limit=EVERYBODY)
    rows = [(person.name, person.handle, team.name) for person, team in found]
    return csv_file("people", (_("Name"), _("Handle"), _("Team")), rows)


@blueprint.get("/people/<handle>")
def person(handle: str) -> ResponseReturnValue:
    """A person's page: what colleagues and customers said about them, the newest first."""
    viewer, now_ = access.me(), now()
    with db().reading() as session:
        found = people.find(session, handle)
        if found is None:
            abort(404)
        if found.handle != handle:
            return redirect(url_for(".person", handle=found.handle), 301)
        said, place = diary(session, viewer, found, now_, request.args.get("after", ""))
        sees_points = people.sees_points(session, viewer, found)
        points = pictures_of(session, found, now_) if sees_points else {}
        team = session.get_one(Team, found.team_id)
    return render_template(
        "person.html",
        person=found,
        team=team,
        is_me=found.id == viewer.id,
        diary=[(name, list(moments)) for name, moments in groupby(said, lambda moment: month(moment.at))],
        is_first="after" not in request.args,
        next_url=url_for(".person", handle=handle, after=place) if place else None,
        sees_points=sees_points,
        **points,
    )


@blueprint.get("/people/<handle>/picture")
def picture(handle: str) -> ResponseReturnValue:
    """A person's picture; with ?v= its address changes with the picture, so that browsers may keep it."""
    with db().reading() as session:
        found = people.find(session, handle)
        kept = people.picture_of(session, found) if found else None
    if found is None or kept is None:
        abort(404)
    response = Response(kept.data, mimetype=kept.type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if request.args.get("v") == found.picture:
        response.headers["Cache-Control"] = f"private, max-age={YEAR}, immutable"
    return response


@blueprint.get("/people/<handle>/points")
def points(handle: str) -> ResponseReturnValue:
    """Explain my points: every line of a person's ledger with its evidence, rule, week and limits."""
    viewer, now_ = access.me(), now()
    with db().reading() as session:
        found = people.find(session, handle)
        if found is None or not people.sees_points(session, viewer, found):
            abort(404)
        if found.handle != handle:
            return redirect(url_for(".points", handle=found.handle), 301)
        entries = explained(session, viewer, found, number("before"), ENTRIES + 1)
        figures = figures_of(session, found, now_)
    more = len(entries) > ENTRIES
    return render_template(
        "points.html",
        person=found,
        is_me=found.id == viewer.id,
        entries=entries[:ENTRIES],
        next_url=url_for(".points", handle=handle, before=entries[ENTRIES - 1].id) if more else None,
        csv_url=url_for(".points_csv", handle=handle),
        figures=figures,
    )


@blueprint.get("/people/<handle>/points.csv")
def points_csv(handle: str) -> ResponseReturnValue:
    """Every entry that the page explains, as a file."""
    viewer = access.me()
    with db().reading() as session:
        found = people.find(session, handle)
        if found is None or not people.sees_points(session, viewer, found):
            abort(404)
        entries = explained(session, viewer, found, None, EVERYBODY)
    header = (
        _("When"), _("What for"), _("Guideline"), _("Points"), _("In full"), _("Counted as"), _("Week"), _("Source"),
        _("From"), _("Customer"), _("Words"),
    )  # fmt: skip
    rows = [
        (
            iso(entry.at), KIND_NAMES[entry.kind], entry.guideline, entry.points, entry.full_points, entry.why,
            entry.week, entry.source, entry.giver.name if entry.giver else None, entry.customer, entry.text,
        )
        for entry in entries
    ]  # fmt: skip
    return csv_file(f"points-{found.handle}", header, rows)


@blueprint.get("/people/thanks.csv")
def thanks_csv() -> ResponseReturnValue:
    """What customers said to ?person= or to everybody whose thanks one may read, the newest first."""
    viewer = access.me()
    with db().reading() as session:
        found = people.find(session, request.args["person"]) if "person" in request.args else None
        if "person" in request.args and found is None:
            abort(404)
        said = thanks.said(session, viewer, person_id=found.id if found else None, limit=MOST_ROWS)
    header = (
        _("When"), _("Person"), _("Words"), _("Guideline"), _("Source"), _("Customer"), _("Link"),
    )  # fmt: skip
    rows = [
        (
            iso(one.said_at), one.person.name, one.text, one.guideline,
            source_name(one.source), one.customer, one.url,
        )
        for one in said
    ]  # fmt: skip
    return csv_file("thanks", header, rows)


def diary(
    session: Session, viewer: Person, person: Person, moment: datetime, after: str
) -> tuple[list[Moment], str | None]:
    """What was said about this person as far as this viewer may read it, and the cursor from which it goes on.

    Raises Invalid for a cursor that is none of ours.
    """
    last_story, _tilde, last_thanks = after.partition("~")
    wall = nominations.wall(
        session, viewer, moment, person_id=person.id, after=last_story or None, limit=MOMENTS + 1
    )
    said = thanks.said(
        session, viewer, person_id=person.id, before=row_number(last_thanks), limit=MOMENTS + 1
    )
    stories: Iterator[Moment] = (Moment(story.told_at, story=story) for story in wall.stories)
    quotes: Iterator[Moment] = (Moment(one.said_at, thanks=one) for one in said)
    newest_first = merge(stories, quotes, key=lambda one: one.at, reverse=True)
    shown = list(islice(newest_first, MOMENTS))
    for one in shown:
        if one.story:
            last_story = one.story.place
        elif one.thanks:
            last_thanks = str(one.thanks.id)
    more = len(wall.stories) + len(said) > len(shown)
    return shown, f"{last_story}~{last_thanks}" if more else None


@blueprint.get("/people/<handle>/weeks.csv")
def weeks_csv(handle: str) -> ResponseReturnValue:
    """The points of the last ?weeks= by week and guideline, as the page draws them, as a file."""
    viewer, moment = access.me(), now()
    with db().reading() as session:
        found = people.find(session, handle)
        if found is None or not people.sees_points(session, viewer, found):
            abort(404)
        picture = picture_of(session, found, moment)
    return weeks_file(f"weeks-{found.handle}", picture)


def weeks_file(name: str, picture: OverTime) -> ResponseReturnValue:
    """A picture's table as a file."""
    header = (_("Week"), _("Points"), *(_(BY_SLUG[part.guideline].name) for part in picture.parts))
    return csv_file(name, header, [(str(week), points, *each) for week, points, each in picture.rows])


def span() -> int:
    """How many weeks the address asks to be drawn."""
    return SPANS[1] if request.args.get("weeks") == str(SPANS[1]) else SPANS[0]


def picture_of(session: Session, person: Person, moment: datetime) -> OverTime:
    """The person's points of the last weeks, by the clocks of their team."""
    week = people.zones(session.get_one(Team, person.team_id)).week_of(moment)
    weeks = [str(week - back) for back in reversed(range(span()))]
    return over_time(standings.history(session, person.id or 0, weeks))


def pictures_of(session: Session, person: Person, moment: datetime) -> dict[str, Any]:
    """What a person's page says about points: figures, and the last weeks as pictures."""
    weeks = span()
    return {
        "figures": figures_of(session, person, moment),
        "over_time": picture_of(session, person, moment),
        "spans": [
            (name, url_for(".person", handle=person.handle, weeks=one, _anchor="over-time"), one == weeks)
            for one, name in zip(SPANS, (_("12 weeks"), _("A year")), strict=True)
        ],
        "weeks_url": url_for(".weeks_csv", handle=person.handle, weeks=weeks),
    }


def figures_of(session: Session, person: Person, moment: datetime) -> dict[str, int]:
    """A person's points in sum: this week, month and year."""
    zones = people.zones(session.get_one(Team, person.team_id))
    week = zones.week_of(moment)
    day = moment.astimezone(ZoneInfo(zones.of(week))).date()
    this_week, this_month, _quarter, year = (
        standings.total(session, person.id or 0, period) for period in periods(week, day)
    )
    return {"week": this_week, "month": this_month, "year": year}


def explained(
    session: Session, viewer: Person, person: Person, before: int | None, limit: int
) -> list[Entry]:
    """The person's ledger, the newest first, each line with as much of its evidence as this viewer may read."""
    lines = standings.explain(session, person.id or 0, before=before, limit=limit)
    givers = people.by_id(session, [line.giver_id for line in lines if line.giver_id is not None])
    trusted = people.sees_evidence(session, viewer, person)
    return [_entry(line, givers.get(line.giver_id or 0), trusted) for line in lines]


def _entry(line: standings.Line, giver: Person | None, trusted: bool) -> Entry:
    url = line.evidence.get("url")
    return Entry(
        id=line.id,
        at=line.at,
        kind=line.kind,
        points=line.points,
        full_points=line.full_points,
        why=_(WHY[line.why]),
        week=line.week,
        late=line.late,
        guideline=line.guideline,
        source=source_name(line.source),
        rules_version=line.rules_version,
        reverses=line.reverses_id is not None,
        giver=giver,
        customer=line.customer if trusted else None,
        text=line.evidence.get("text") if trusted else None,
        url=url if url and (trusted or url.startswith("/")) else None,
    )


def source_name(source: str) -> str:
    """A source as people know it: "Zendesk"; our own facts come from Extra Mile."""
    if source == OWN_SOURCE:
        return str(_("Extra Mile"))
    plugin = config().plugins.get(source)
    return plugin.title if plugin and plugin.title else source


def number(name: str) -> int | None:
    """A row's number from the address; None for anything else."""
    return row_number(request.args.get(name, ""))


__all__ = ["Entry", "blueprint", "explained", "source_name"]
