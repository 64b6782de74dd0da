"""Who leads, and why somebody has the points they have; who is here; what customers said; weeks."""

from typing import Any

from flask import abort
from sqlmodel import Session

from leaderboard import ledger, people, recognition, standings, thanks
from leaderboard.points import WHY
from leaderboard.tables import COMPANY, EVERY, Person, Team
from leaderboard.web import db, now
from leaderboard.web.access import me
from leaderboard.web.api import examples, shapes
from leaderboard.web.api.blueprint import api, asked_of, cursor, place
from leaderboard.web.api.seeing import (
    chosen_period,
    chosen_person,
    chosen_team,
    find_person,
    is_final,
    on_board,
    person_out,
    with_team,
)
from leaderboard.weeks import Week

OPEN = ("story", "promise", "confirmed", "occurred_at", "due_at")
"""Evidence that is for everybody who may see the points. The rest, whatever a plugin adds, may be a customer's."""


@api.get("/standings")
@api.input(shapes.StandingsQuery, location="query", arg_name="query")
@api.output(shapes.Standings, example=examples.STANDINGS)
def board(query: shapes.StandingsQuery) -> shapes.Standings:
    """Who leads: of the company or a team, in a week, month, quarter or year, by one guideline or all.

    Without a period it is the present week of your team, or of the team you ask for. Not everybody is ranked (leavers,
    newcomers, people on leave or who opted out), and a team that shows no board has an empty one.
    """
    viewer, moment = me(), now()
    with db().reading() as session:
        team = chosen_team(session, query.team)
        own = session.get_one(Team, viewer.team_id)
        period = chosen_period(query) or str(people.zones(team or own).week_of(moment))
        inside = team is not None and team.id == viewer.team_id
        asked = standings.Board(period, (team.id or 0) if team else COMPANY, query.guideline or EVERY, inside)
        found: list[standings.Standing] = []
        if (team or own).board:
            found = _standings(session, asked, query, viewer)
        shown = people.by_id(session, [one.person_id for one in found])
        last = found[query.limit - 1] if len(found) > query.limit else None
        return shapes.Standings(
            period=period,
            team=query.team,
            guideline=query.guideline,
            closed=is_final(session, period, team),
            standings=[
                shapes.Standing(
                    rank=one.rank, person=on_board(shown[one.person_id], viewer), points=one.points
                )
                for one in found[: query.limit]
            ],
            next=cursor(last.points, last.person_id) if last else None,
        )


def _standings(
    session: Session, board: standings.Board, query: shapes.StandingsQuery, viewer: Person
) -> list[standings.Standing]:
    """The top from the cursor on, one more than asked for; or the neighbours of a person whose points the viewer may see."""
    moment = now()
    week = people.zones(session.get_one(Team, viewer.team_id)).week_of(moment)
    newcomer_days = ledger.rules_of(session, week).fair_play.newcomer_days
    if query.around is None:
        after = place(query.after)
        return standings.top(
            session, board, moment, query.limit + 1, (after[0], after[1]) if after else None, newcomer_days
        )
    with asked_of("person"):
        person = find_person(session, query.around)
    if not people.sees_points(session, viewer, person):
        return []
    each = (query.limit - 1) // 2
    return standings.around(session, board, person.id or 0, moment, each, newcomer_days)


@api.get("/people")
@api.input(shapes.PeopleQuery, location="query", arg_name="query")
@api.output(shapes.People, example=examples.PEOPLE)
def directory(query: shapes.PeopleQuery) -> shapes.People:
    """Everybody here, by name."""
    viewer = me()
    after = place(query.after)
    with db().reading() as session:
        team = chosen_team(session, query.team)
        found = people.directory(
            session, query.name or "", team.id if team else None, after[0] if after else None, query.limit + 1
        )
    page = found[: query.limit]
    return shapes.People(
        people=[with_team(person, its_team, viewer) for person, its_team in page],
        next=cursor(page[-1][0].id or 0) if len(found) > query.limit else None,
    )


@api.get("/people/<person>")
@api.output(shapes.PersonAndTeam, example=examples.PERSON)
def person(person: str) -> shapes.PersonAndTeam:
    """One person, by id, handle or e-mail address."""
    with db().reading() as session, asked_of("person"):
        found = find_person(session, person)
        return with_team(found, session.get_one(Team, found.team_id), me())


@api.get("/people/<person>/points")
@api.input(shapes.PointsQuery, location="query", arg_name="query")
@api.output(shapes.Points, example=examples.POINTS)
def points(person: str, query: shapes.PointsQuery) -> shapes.Points:
    """Explain the points: every entry of the person's ledger with its evidence, the newest first.

    The entries of all pages add up to the total. Who may see them is the person's choice.
    """
    viewer = me()
    with db().reading() as session, asked_of("person"):
        period, after = chosen_period(query), place(query.after)
        found = find_person(session, person)
        if not people.sees_points(session, viewer, found):
            raise LookupError(person)
        person_id = found.id or 0
        lines = standings.explain(
            session, person_id, period=period, before=after[0] if after else None, limit=query.limit + 1
        )
        total = (
            standings.total(session, person_id, period)
            if period
            else standings.total_ever(session, person_id)
        )
        givers = people.by_id(session, [line.giver_id for line in lines if line.giver_id is not None])
        trusted = people.sees_evidence(session, viewer, found)
    page = lines[: query.limit]
    return shapes.Points(
        person=on_board(found, viewer),
        total=total,
        entries=[_entry(line, givers.get(line.giver_id or 0), trusted) for line in page],
        next=cursor(page[-1].id) if len(lines) > query.limit else None,
    )


def _entry(line: standings.Line, giver: Person | None, trusted: bool) -> shapes.Entry:
    evidence: dict[str, Any] = {"entry": line.id}
    if giver:
        evidence["giver"] = giver.handle
    if trusted and line.customer:
        evidence["customer"] = line.customer
    evidence |= {name: value for name, value in line.evidence.items() if trusted or name in OPEN}
    return shapes.Entry(
        at=line.at,
        kind=line.kind,
        points=line.points,
        full_points=line.full_points,
        why=WHY[line.why],
        week=line.week,
        guideline=line.guideline,
        source=line.source,
        evidence=evidence,
        reverses=line.reverses_id,
    )


@api.get("/thanks")
@api.input(shapes.ThanksQuery, location="query", arg_name="query")
@api.output(shapes.ThanksList, example=examples.THANKS)
def what_customers_said(query: shapes.ThanksQuery) -> shapes.ThanksList:
    """What customers said, the newest first."""
    viewer, after = me(), place(query.after)
    with db().reading() as session:
        team, who = chosen_team(session, query.team), chosen_person(session, query.person)
        found = thanks.said(
            session,
            viewer,
            person_id=who.id if who else None,
            team_id=team.id if team else None,
            before=after[0] if after else None,
            limit=query.limit + 1,
        )
        # The page leaves customers to leads of any team; a machine is told only of its own team's.
        trusted = {one.person.id for one in found if people.sees_evidence(session, viewer, one.person)}
    page = found[: query.limit]
    return shapes.ThanksList(
        thanks=[
            shapes.Thanks(
                id=one.id,
                said_at=one.said_at,
                text=one.text,
                person=person_out(one.person),
                guideline=one.guideline,
                source=one.source,
                customer=one.customer if one.person.id in trusted else None,
                url=one.url if one.person.id in trusted else None,
            )
            for one in page
        ],
        next=cursor(page[-1].id) if len(found) > query.limit else None,
    )


@api.get("/weeks")
@api.input(shapes.WeeksQuery, location="query", arg_name="query")
@api.output(shapes.Weeks, example=examples.WEEKS)
def weeks(query: shapes.WeeksQuery) -> shapes.Weeks:
    """Closed weeks, the newest first, with the winners that were announced."""
    viewer, after = me(), place(query.after)
    with db().reading() as session:
        before = Week.parse(after[0]) if after else None
        found = recognition.recent(session, viewer, before, query.limit + 1)
    page = found[: query.limit]
    return shapes.Weeks(
        weeks=[
            shapes.WeekInShort(week=str(week), teams=[_team_week(one) for one in teams])
            for week, teams in page
        ],
        next=cursor(str(page[-1][0])) if len(found) > query.limit else None,
    )


@api.get("/weeks/<week>")
@api.output(shapes.Week, example=examples.WEEK)
def week(week: str) -> shapes.Week:
    """One week of the whole company: frozen where a team closed it, running where it did not."""
    try:
        asked = Week.parse(week)
    except ValueError:
        abort(404, "A week is written as 2026-W47.")
    viewer = me()
    with db().reading() as session:
        teams, places, provisional = recognition.page_of_company(session, asked, viewer, now())
        shown = {
            one.person.handle: person
            for one in places
            if one.person.handle and (person := people.find(session, one.person.handle))
        }
    return shapes.Week(
        week=str(asked),
        provisional=provisional,
        teams=[_team_week(one) for one in teams],
        standings=[
            shapes.Standing(
                rank=one.rank,
                person=shapes.Person(
                    id=shown[one.person.handle].uid if one.person.handle in shown else None,
                    handle=one.person.handle,
                    name=one.person.name,
                ),
                points=one.points,
            )
            for one in places
        ],
    )


def _team_week(one: recognition.TeamWeek) -> shapes.TeamWeek:
    closed = one.closed
    return shapes.TeamWeek(
        team=one.team.slug,
        state="open" if closed is None else "announced" if closed.announced_at else "closed",
        closed_at=closed.closed_at if closed else None,
        announced_at=closed.announced_at if closed else None,
        winners=[
            shapes.Winner(
                category=winner.category,
                person=shapes.Person(
                    id=winner.uid if winner.person.handle else None,
                    handle=winner.person.handle,
                    name=winner.person.name,
                ),
                points=winner.points,
                witnesses=winner.witnesses,
                reason=winner.reason,
                words=winner.words,
                story=winner.story,
            )
            for winner in one.winners
        ],
    )
