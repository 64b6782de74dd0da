"""The home page: stories first, then customers' thanks, then the top few and one's own neighbours."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    make_response,
    render_template,
    request,
    session,
    url_for,
)
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf
from sqlmodel import Session

from leaderboard import __version__, ledger, nominations, people, standings, thanks
from leaderboard.database import Kept, kept, pulse
from leaderboard.guidelines import BY_SLUG, N_
from leaderboard.people import Shown
from leaderboard.tables import COMPANY, EVERY, Person, Team
from leaderboard.web import access, db, now
from leaderboard.web.export import csv_file
from leaderboard.web.pages import language, theme
from leaderboard.weeks import Week, period_before, periods

blueprint = Blueprint("home", __name__)


@blueprint.record_once
def _keep_pages(state: BlueprintSetupState) -> None:
    state.app.extensions["kept_pages"] = Kept(most=200)


PERIODS = {
    "week": (N_("Week"), N_("last week")),
    "month": (N_("Month"), N_("last month")),
    "quarter": (N_("Quarter"), N_("last quarter")),
    "year": (N_("Year"), N_("last year")),
}
"""What a board may be of, and what it is compared with."""
TOP = 5
"""Ranks that the board shows from its top."""
MOST = 12
"""Rows at its top, where many share a rank."""
EACH = 2
"""Neighbours above and below."""
STORIES = 5
THANKS = 4


@dataclass(frozen=True)
class Asked:
    """Which board the viewer asked for: one of PERIODS, a guideline's slug or "", a team or None for the company.

    `teams` are all that there are to choose from.
    """

    period: str
    guideline: str
    team: Team | None
    teams: tuple[Team, ...]

    def query(self, period: str) -> dict[str, Any]:
        """The query that asks for the same board in another period, shortest form."""
        full = {
            "period": "" if period == "week" else period,
            "guideline": self.guideline,
            "team": self.team.slug if self.team else "",
        }
        return {name: value for name, value in full.items() if value}

    def before(self) -> str:
        """What it is compared with, as people say it."""
        return str(_(PERIODS[self.period][1]))

    def tabs(self) -> list[tuple[str, str, bool]]:
        """The same board in each period: its name, its address, and whether it is this one."""
        return [
            (_(label), url_for("home.home", **self.query(period)), period == self.period)
            for period, (label, _before) in PERIODS.items()
        ]

    def guideline_options(self) -> list[tuple[str, str]]:
        """What one may choose, and its name."""
        return [("", _("All five")), *((guideline.slug, _(guideline.name)) for guideline in BY_SLUG.values())]

    def team_options(self) -> list[tuple[str, str]]:
        """What one may choose, and its name."""
        return [("", _("All teams")), *((team.slug, team.name) for team in self.teams)]


@dataclass(frozen=True)
class Today:
    """The moment in the viewer's team: its day and week by the team's clocks."""

    moment: datetime
    day: date
    week: Week
    week_began_at: datetime
    team: Team

    def period(self, kind: str) -> str:
        """The period that it is: "2026-W47", "2026-11", "2026-Q4" or "2026"."""
        return dict(zip(PERIODS, periods(self.week, self.day), strict=True))[kind]


@dataclass(frozen=True)
class Place:
    """A row of the board. `movement` is how many places were won since the period before, None for who is new to it."""

    rank: int
    person: Shown
    points: int
    movement: int | None


@dataclass(frozen=True)
class Board:
    """The top few and the viewer's neighbours; `cut` says that more people share the last place shown."""

    top: tuple[Place, ...]
    neighbours: tuple[Place, ...]
    cut: bool


@blueprint.get("/")
def home() -> ResponseReturnValue:
    """Stories, thanks and the board; 304 while nothing of it has changed."""
    viewer, moment = access.me(), now()
    with db().reading(g.get("beats")) as db_session:
        today = today_of(db_session, viewer, moment)
        version = version_of(db_session, viewer, today)
        if not session.get("_flashes") and request.if_none_match.contains_weak(version):
            return unchanged(version)
        page = kept_page(version, lambda: render_home(db_session, viewer, today, version))
    return fresh(make_response(page), version)


def render_home(db_session: Session, viewer: Person, today: Today, version: str) -> str:
    """The whole page."""
    asked = asked_for(db_session)
    stories = nominations.wall(db_session, viewer, today.moment, limit=STORIES).stories
    return render_template(
        "home.html",
        board=board_of(db_session, viewer, asked, today),
        asked=asked,
        week=today.week,
        stories=stories,
        nothing_told=not stories,
        thanks=thanks.said(db_session, viewer, limit=THANKS),
        is_this_week=bool(stories) and stories[0].told_at >= today.week_began_at,
        version=f'W/"{version}"',
        live_url=live_url(asked, stories[0].id if stories else ""),
    )


@blueprint.get("/board")
def board() -> ResponseReturnValue:
    """The board alone, for a page that is open; it also says when there is a story which that page has not seen."""
    viewer, moment = access.me(), now()
    with db().reading(g.get("beats")) as db_session:
        today = today_of(db_session, viewer, moment)
        version = version_of(db_session, viewer, today)
        if request.if_none_match.contains_weak(version):
            return unchanged(version)
        part = kept_page(version, lambda: render_news(db_session, viewer, today, version))
    return fresh(make_response(part), version)


def render_news(db_session: Session, viewer: Person, today: Today, version: str) -> str:
    """The board, and the newest story where the open page has not seen it."""
    asked, seen = asked_for(db_session), request.args.get("seen", "")
    newest = nominations.newest(db_session, viewer)
    is_new = newest not in (None, seen)
    return render_template(
        "_news.html",
        board=board_of(db_session, viewer, asked, today),
        asked=asked,
        newest=nominations.wall(db_session, viewer, today.moment, limit=1).stories[0] if is_new else None,
        nothing_told=newest is None,
        version=f'W/"{version}"',
        live_url=live_url(asked, seen),
    )


def kept_page(version: str, render: Callable[[], str]) -> str:
    """What was rendered for this very version, or is now; a page that says something once is not kept."""
    if session.get("_flashes"):
        return render()
    pages: Kept = current_app.extensions["kept_pages"]
    return pages.get((request.path, version), 0, render)


@blueprint.get("/board.csv")
def board_csv() -> ResponseReturnValue:
    """The board as the page shows it, as a file."""
    viewer, moment = access.me(), now()
    with db().reading() as db_session:
        asked = asked_for(db_session)
        today = today_of(db_session, viewer, moment)
        found = board_of(db_session, viewer, asked, today)
    places = {place.person: place for place in [*found.top, *found.neighbours]} if found else {}
    rows = [(place.rank, place.person.name, place.points) for place in places.values()]
    return csv_file(f"board-{today.period(asked.period)}", (_("Rank"), _("Person"), _("Points")), rows)


def asked_for(db_session: Session) -> Asked:
    """What the address asks for; what it does not know is left out."""
    period, guideline = request.args.get("period", ""), request.args.get("guideline", "")
    slug = request.args.get("team", "")
    teams = teams_of(db_session)
    team = next((team for team in teams if team.slug == slug), None)
    return Asked(
        period if period in PERIODS else "week", guideline if guideline in BY_SLUG else EVERY, team, teams
    )


def teams_of(db_session: Session) -> tuple[Team, ...]:
    """Every team, by name."""
    return kept(db_session, "teams", lambda: tuple(people.team_rows(db_session)))


def today_of(db_session: Session, viewer: Person, moment: datetime) -> Today:
    """What the calendar of the viewer's team says."""
    team = next((team for team in teams_of(db_session) if team.id == viewer.team_id), None)
    if team is None:  # made a moment ago, after the pulse was asked
        team = next(team for team in people.team_rows(db_session) if team.id == viewer.team_id)
    zones = people.zones(team)
    week = zones.week_of(moment)
    day = moment.astimezone(ZoneInfo(zones.of(week))).date()
    return Today(moment, day, week, zones.begins_at(week), team)


def board_of(db_session: Session, viewer: Person, asked: Asked, today: Today) -> Board | None:
    """The board as this viewer may see it; None where the team that was asked for, or their own, shows none."""
    if not (asked.team or today.team).board:
        return None
    moment, period = today.moment, today.period(asked.period)
    newcomer_days = ledger.rules_of(db_session, today.week).fair_play.newcomer_days
    inside = asked.team is not None and asked.team.id == viewer.team_id
    asked_board = standings.Board(
        period, asked.team.id or 0 if asked.team else COMPANY, asked.guideline, inside
    )
    head = standings.top(db_session, asked_board, moment, MOST + 1, newcomer_days=newcomer_days)
    top = [standing for standing in head if standing.rank <= TOP][:MOST]
    me = viewer.id or 0
    in_top = {standing.person_id for standing in top}
    near = []
    if me not in in_top:
        near = standings.around(db_session, asked_board, me, moment, EACH, newcomer_days)
        near = [standing for standing in near if standing.person_id not in in_top]
    moved = standings.movement(
        db_session, asked_board, [*top, *near], period_before(period), moment, newcomer_days
    )
    places = tuple(place_of(standing, people.shown(standing.person, viewer)) for standing in moved)
    return Board(
        top=places[: len(top)],
        neighbours=places[len(top) :],
        cut=len(head) > len(top) and bool(top) and head[len(top)].rank == top[-1].rank,
    )


def place_of(standing: standings.Standing, person: Shown) -> Place:
    """A standing with its person and its movement."""
    moved = None if standing.before is None else standing.before - standing.rank
    return Place(standing.rank, person, standing.points, moved)


def live_url(asked: Asked, seen: str) -> str:
    """Where an open page asks for its news."""
    return url_for(".board", **asked.query(asked.period), seen=seen or None)


def version_of(db_session: Session, viewer: Person, today: Today) -> str:
    """Changes whenever what this viewer sees may have changed: data, person, bell, day, language, look, program, session."""
    if "csrf_token" not in session:
        generate_csrf()  # what makes a form's token valid is part of the session from now on
    seen: Sequence[object] = (
        pulse(db_session),
        viewer.id,
        viewer.changed_at,
        viewer.unread,
        viewer.role,
        viewer.team_id,
        today.day,
        today.moment.astimezone(ZoneInfo(viewer.timezone or today.team.timezone)).date(),
        today.moment.date(),
        request.query_string,
        language(),
        theme(),
        session.get("csrf_token"),
        __version__,
    )
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:24]


def fresh(response: Response, version: str) -> Response:
    """An answer that the browser may keep, and asks about before it shows it again."""
    response.set_etag(version, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("Cookie")
    return response


def unchanged(version: str) -> Response:
    """304: what the browser has is what we would send."""
    return fresh(Response(status=304), version)
