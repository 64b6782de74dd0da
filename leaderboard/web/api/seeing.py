"""What a request names, found; and rows as the API shows them to one viewer."""

from datetime import date, timedelta

from sqlmodel import Session

from leaderboard import ledger, people
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Team
from leaderboard.web.api import shapes
from leaderboard.weeks import Week, parse_period


def person_out(person: Person) -> shapes.Person:
    """A person by name."""
    return shapes.Person(id=person.uid, handle=person.handle, name=person.name)


def on_board(person: Person, viewer: Person) -> shapes.Person:
    """A person as boards name them: behind an alias there is neither id nor handle."""
    shown = people.shown(person, viewer)
    return shapes.Person(id=person.uid if shown.handle else None, handle=shown.handle, name=shown.name)


def with_team(person: Person, team: Team, viewer: Person) -> shapes.PersonAndTeam:
    """A person with what the directory knows of them."""
    trusted = viewer.id == person.id or viewer.role == "admin"
    return shapes.PersonAndTeam(
        id=person.uid,
        handle=person.handle,
        name=person.name,
        team=shapes.Team(slug=team.slug, name=team.name, timezone=team.timezone),
        role=person.role,
        email=person.email if trusted else None,
        joined_on=person.joined_on,
    )


def find_person(session: Session, text: str) -> Person:
    """The person with this id, handle or address; LookupError where there is none."""
    found = people.find(session, text)
    if found is None:
        raise LookupError(text)
    return found


def chosen_person(session: Session, text: str | None) -> Person | None:
    """The person that a filter names; Invalid where there is none."""
    if text is None:
        return None
    found = people.find(session, text)
    if found is None:
        raise Invalid("there is no such person", "person")
    return found


def chosen_team(session: Session, slug: str | None) -> Team | None:
    """The team that a filter names; Invalid where there is none."""
    if slug is None:
        return None
    team = next((team for team in people.teams(session) if team.slug == slug), None)
    if team is None:
        raise Invalid("there is no such team", "team")
    return team


def chosen_period(query: shapes.Period) -> str | None:
    """The one period that was asked for, or None. Invalid for several, and for a week that its year does not have."""
    given = {name: text for name in ("week", "month", "period") if (text := getattr(query, name)) is not None}
    if len(given) > 1:
        raise Invalid("choose one of week, month and period", "period")
    for name, text in given.items():
        try:
            return parse_period(text)
        except ValueError as error:
            raise Invalid(str(error), name) from None
    return None


def is_final(session: Session, period: str, team: Team | None) -> bool:
    """Whether the team (or every team) has closed the last week of this period: weeks close in their order."""
    last = _last_week(period)
    concerned = [team] if team else people.teams(session)
    concerned = [one for one in concerned if one.first_week <= str(last)]
    return bool(concerned) and all(ledger.is_closed(session, one.id or 0, last) for one in concerned)


def _last_week(period: str) -> Week:
    if "W" in period:
        return Week.parse(period)
    year = int(period[:4])
    month = 3 * int(period[6:]) if "Q" in period else int(period[5:]) if "-" in period else 12
    return Week.of(date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1))
