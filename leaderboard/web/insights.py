"""/insights: how the company is doing, in pictures of teams and never of persons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import Session

from leaderboard import insights, people
from leaderboard.guidelines import GUIDELINES
from leaderboard.insights import JOINED, Group
from leaderboard.tables import EVERY, Team
from leaderboard.web import db, now
from leaderboard.web.access import me
from leaderboard.web.charts import OverTime, level, over_time, quarters_to, rhythm
from leaderboard.web.export import csv_file
from leaderboard.web.people import SPANS, span, weeks_file
from leaderboard.weeks import Week

blueprint = Blueprint("insights", __name__)

QUARTERS = 5
"""Of the rhythm: this one, and those back to the same one a year ago."""
YEAR = 52
MOST_GROUPS = 12
"""That a page draws beside each other; of more, each is looked at by itself."""


@dataclass(frozen=True)
class Asked:
    """Whom the viewer looks at: all groups, or the one they chose; `zone` is whose Mondays begin their weeks."""

    groups: list[Group]
    chosen: Group | None
    week: Week
    zone: str

    @property
    def shown(self) -> list[Group]:
        """The groups that the page is about."""
        return [self.chosen] if self.chosen else self.groups


@blueprint.get("/insights")
def index() -> ResponseReturnValue:
    """Ripple, rhythm, points by week and guideline, and who tells of whom."""
    with db().reading() as session:
        asked = _asked(session)
        context = _pictures(session, asked) if asked.groups else {}
    slug = asked.chosen.slug if asked.chosen else None
    return render_template(
        "insights.html",
        asked=asked,
        fewest=insights.FEWEST_PEOPLE,
        team=slug or "",
        team_options=[("", _("All teams")), *((group.slug, _mine(group)) for group in asked.groups)],
        weeks=str(span()),
        span_options=[
            (str(one), name) for one, name in zip(SPANS, (_("12 weeks"), _("A year")), strict=True)
        ],
        weeks_url=url_for(".weeks_csv", team=slug, weeks=span()),
        rhythm_url=url_for(".rhythm_csv", team=slug),
        between_url=url_for(".between_csv"),
        **context,
    )


@blueprint.get("/insights/weeks.csv")
def weeks_csv() -> ResponseReturnValue:
    """Points by week and guideline of ?team= or of all, of the last ?weeks=, as a file."""
    with db().reading() as session:
        asked = _asked(session)
        picture = _over_time(session, asked)
    return weeks_file(f"weeks-{asked.chosen.slug.strip('_') if asked.chosen else 'company'}", picture)


@blueprint.get("/insights/rhythm.csv")
def rhythm_csv() -> ResponseReturnValue:
    """Points by week and team of the last quarters, as a file."""
    with db().reading() as session:
        asked = _asked(session)
        points = _points(session, asked)
    rows = [
        (str(week), name_of(group), points[group.slug][week])
        for group in asked.shown
        for week in points[group.slug]
        if week <= asked.week
    ]
    return csv_file("rhythm", (_("Week"), _("Team"), _("Points")), rows)


@blueprint.get("/insights/between.csv")
def between_csv() -> ResponseReturnValue:
    """How often each team told of each other one in a year, as a file."""
    with db().reading() as session:
        asked = _asked(session)
        found = _told(session, asked)
    rows = [
        (name_of(teller), name_of(about), few(found.get((teller.slug, about.slug), 0)))
        for teller in asked.groups
        for about in asked.groups
    ]
    return csv_file("between-teams", (_("Told by"), _("About"), _("Times")), rows)


def _asked(session: Session) -> Asked:
    """What the address asks for; 404 for a team that is not shown by itself."""
    team = session.get_one(Team, me().team_id)
    zones = people.zones(team)
    week = zones.week_of(now())
    groups = insights.groups(session, week)
    slug = request.args.get("team", "")
    chosen = next((group for group in groups if group.slug == slug), None)
    if slug and chosen is None:
        abort(404)
    return Asked(groups, chosen, week, zones.of(week))


def _pictures(session: Session, asked: Asked) -> dict[str, Any]:
    points, told = _points(session, asked), _told(session, asked)
    named, by_week = [], []
    if len(asked.shown) <= MOST_GROUPS:
        for group in asked.shown:
            first = min(Week.parse(group.first_week), asked.week)
            named.append((name_of(group), rhythm(points[group.slug], first, asked.week)))
        by_week = [
            (week, [points[group.slug][week] for group in asked.shown])
            for week in next(iter(points.values()))
            if week <= asked.week
        ]
    voices = [
        (_("This week so far"), insights.voices(session, asked.shown, asked.week)),
        (_("Last week"), insights.voices(session, asked.shown, asked.week - 1)),
    ]
    return {
        "begun": bool(asked.chosen or told)
        or any(heard.thanks or heard.unhappy for _when, heard in voices)
        or any(any(by_week.values()) for by_week in points.values()),
        "over_time": _over_time(session, asked),
        "rhythms": named,
        "by_week": by_week,
        "between": _between(asked, told),
        "names": [name_of(group) for group in _beside(asked)],
        "strangers": _strangers(asked, told),
        "voices": voices,
        "told_of_good": insights.TOLD_OF_GOOD,
        "told_of_poor": insights.TOLD_OF_POOR,
        "told_by_the_saying": insights.TOLD_BY_THE_SAYING,
    }


def _points(session: Session, asked: Asked) -> dict[str, dict[Week, int]]:
    """Points of the groups shown, by slug and week of the rhythm, from the first quarter that any of them was there."""
    first = min((group.first_week for group in asked.shown), default="")
    first = min(first, str(asked.week))
    weeks = [week for week in quarters_to(asked.week, QUARTERS) if str(week.quarter[-1]) >= first]
    found = insights.points(session, asked.shown, weeks)
    return {
        slug: {week: by_week[str(week)].get(EVERY, 0) for week in weeks} for slug, by_week in found.items()
    }


def _over_time(session: Session, asked: Asked) -> OverTime:
    weeks = [asked.week - back for back in reversed(range(span()))]
    found = insights.points(session, asked.shown, weeks, [one.slug for one in GUIDELINES])
    return over_time({str(week): _added(found, str(week)) for week in weeks})


def _added(found: Mapping[str, Mapping[str, Mapping[str, int]]], week: str) -> dict[str, int]:
    """All groups' points of a week by guideline, and ("") in all."""
    sums = {one.slug: sum(by_week[week].get(one.slug, 0) for by_week in found.values()) for one in GUIDELINES}
    return sums | {EVERY: sum(sums.values())}


def _told(session: Session, asked: Asked) -> dict[tuple[str, str], int | None]:
    since = (asked.week - (YEAR - 1)).begins_at(asked.zone)
    return {(one.teller, one.about): one.times for one in insights.told(session, asked.groups, since)}


def _beside(asked: Asked) -> list[Group]:
    """The groups of the matrix: all where there is room, else the chosen one alone."""
    return asked.groups if len(asked.groups) <= MOST_GROUPS else asked.shown if asked.chosen else []


def _between(
    asked: Asked, found: Mapping[tuple[str, str], int | None]
) -> list[tuple[str, list[tuple[int | None, int, bool]]]]:
    """The matrix: each group with (times, shade, whether it is about itself) for each group beside it."""
    most = max((times or 0 for times in found.values()), default=0)
    told = [[(found.get((by.slug, one.slug), 0), by == one) for one in _beside(asked)] for by in asked.groups]
    return [
        (name_of(by), [(times, level(times or 0, most), is_own) for times, is_own in cells])
        for by, cells in zip(asked.groups, told, strict=True)
        if cells
    ]


def _strangers(asked: Asked, found: Mapping[tuple[str, str], int | None]) -> str | None:
    """A team of which nobody of the viewer's own told in a year, to whom the page draws the eye; None where there is none."""
    mine = next((group for group in asked.groups if me().team_id in group.teams), None)
    others = [group for group in asked.groups if group != mine and group.slug != JOINED]
    return next((one.name for one in others if mine and found.get((mine.slug, one.slug), 0) == 0), None)


def _mine(group: Group) -> str:
    """The group's name, and that it is the viewer's."""
    name = name_of(group)
    return str(_("%(team)s (my team)", team=name)) if me().team_id in group.teams else name


def few(times: int | None) -> str | int:
    """How often, or the word for what too few people told."""
    return str(_("few")) if times is None else times


def name_of(group: Group) -> str:
    """What people call the group."""
    return str(_("Smaller teams together")) if group.slug == JOINED else group.name
