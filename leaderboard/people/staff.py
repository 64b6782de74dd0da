"""Keeping people and teams: joining, changing, leaving, leading. Whatever changes what somebody may do ends their sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import gettext as _
from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from leaderboard.config import parse_clock
from leaderboard.database import beat, lock_names
from leaderboard.people.finding import zones
from leaderboard.people.names import clean_name, normal_email, slug_of
from leaderboard.people.sessions import end_sessions
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Team, TeamLead
from leaderboard.weeks import is_zone, week_of

ROLES = ("member", "lead", "admin")
VISIBILITIES = ("on", "alias", "team", "off")
ACCEPTS = ("lead", "at_once")
RESERVED = {"csv", "me", "new", "search", "import"}
"""Handles that addresses below /people need for themselves."""

NEWCOMERS = "New colleagues"
"""The team of people whom single sign-on creates, until an admin moves them."""


@dataclass(frozen=True)
class PersonFields:
    """What an admin says of a person. None leaves zone and joining day as they are (or empty, for a new one)."""

    name: str
    email: str
    role: str = "member"
    timezone: str | None = None
    joined_on: date | None = None


@dataclass(frozen=True)
class TeamFields:
    """What an admin says of a team."""

    name: str
    timezone: str
    accepts: str = "lead"
    board: bool = True
    autopilot: bool = False
    closes_at: str | None = None


# --- teams --------------------------------------------------------------------------------------------------


def add_team(session: Session, fields: TeamFields, now: datetime) -> Team:
    """A new team, whose first week is the present one. Raises Invalid."""
    name = _team_name(session, fields.name, None)
    team = Team(
        name=name,
        slug=_free_slug(session, name),
        timezone=zone_name(fields.timezone),
        first_week=str(week_of(now, fields.timezone)),
        created_at=now,
    )
    _settle_team(team, fields)
    session.add(team)
    session.flush()
    beat(session)
    return team


def change_team(session: Session, team: Team, fields: TeamFields, now: datetime) -> None:
    """Change a team; a new zone holds from its next week on, so that weeks tile time. Raises Invalid."""
    team.name = _team_name(session, fields.name, team.id)
    _change_zone(team, zone_name(fields.timezone), now)
    _settle_team(team, fields)
    session.add(team)
    session.flush()
    beat(session)


def _settle_team(team: Team, fields: TeamFields) -> None:
    if fields.accepts not in ACCEPTS:
        raise Invalid(_("Choose whether a lead accepts stories first or they count at once."), "accepts")
    if fields.closes_at:
        try:
            parse_clock(fields.closes_at)
        except ValueError:
            raise Invalid(_("Write the hour as 09:00."), "closes_at") from None
    team.accepts = fields.accepts
    team.board = fields.board
    team.autopilot = fields.autopilot
    team.closes_at = fields.closes_at or None


def _change_zone(team: Team, zone: str, now: datetime) -> None:
    present = zones(team).week_of(now)
    begun = team.next_timezone is not None and str(present) >= (team.next_timezone_from or "")
    current = team.next_timezone if begun else team.timezone
    if zone == current:
        if not begun:
            team.next_timezone = team.next_timezone_from = None
        return
    if begun and str(present) == team.next_timezone_from:
        raise Invalid(
            _("The zone changed this week already; it can change again from next Monday."), "timezone"
        )
    if current:
        team.timezone = current
    team.next_timezone, team.next_timezone_from = zone, str(present + 1)


def _team_name(session: Session, text: str, team_id: int | None) -> str:
    name = clean_name(text)
    for other in session.exec(select(Team)):
        if other.id != team_id and other.name.casefold() == name.casefold():
            raise Invalid(_("There is a team %(name)s already.", name=other.name), "name")
    return name


def _free_slug(session: Session, name: str) -> str:
    taken = set(session.exec(select(Team.slug)))
    return _free(slug_of(name, "team"), taken)


def zone_name(text: str, field: str = "timezone") -> str:
    """Check the name of a zone; Invalid says how one is written."""
    if not is_zone(text):
        raise Invalid(
            _("%(text)s is not a time zone; write an IANA name, as Europe/Berlin.", text=repr(text[:40])),
            field,
        )
    return text


def team_named(session: Session, text: str) -> Team | None:
    """The team with this slug, or with this name whatever its case."""
    wanted = text.strip().casefold()
    return next((t for t in session.exec(select(Team)) if wanted in (t.slug, t.name.casefold())), None)


def set_leads(session: Session, team: Team, leads: list[Person]) -> None:
    """These people, and no others, lead this team. A role that follows changes with it, and with the role sessions end."""
    before = set(session.exec(select(TeamLead.person_id).where(TeamLead.team_id == team.id)))
    after = {person.id for person in leads}
    for person in leads:
        if not person.active or person.bot:
            raise Invalid(_("%(name)s is not active and cannot lead.", name=person.name), "leads")
    session.connection().execute(delete(TeamLead).where(col(TeamLead.team_id) == team.id))
    session.add_all(TeamLead(team_id=team.id or 0, person_id=person.id or 0) for person in leads)
    session.flush()
    for person_id in before ^ after:
        somebody = session.get_one(Person, person_id)
        if somebody.role == "admin":
            continue
        if person_id in after:
            _give_role(session, somebody, "lead")
        elif not _leads_any(session, somebody):
            _give_role(session, somebody, "member")
    beat(session)


def _leads_any(session: Session, person: Person) -> bool:
    return session.exec(select(TeamLead.team_id).where(TeamLead.person_id == person.id)).first() is not None


# --- people -------------------------------------------------------------------------------------------------


def add_person(session: Session, team: Team, fields: PersonFields, now: datetime) -> Person:
    """A new person without a password: they set one by "forgot your password", or sign in otherwise. Raises Invalid."""
    email = normal_email(fields.email)
    _refuse_taken(session, email, None)
    like_it = col(Person.handle).startswith(_wanted_handle(fields), autoescape=True)
    handles = set(session.exec(select(Person.handle).where(like_it)))
    return add_people(session, [(team, fields)], now, handles)[0]


def add_people(
    session: Session, fields: Sequence[tuple[Team, PersonFields]], now: datetime, handles: set[str]
) -> list[Person]:
    """New people, all at once; whoever calls knows that no address is taken, and which handles are."""
    added = []
    taken = handles | RESERVED
    for team, one in fields:
        handle = _free(_wanted_handle(one), taken)
        taken.add(handle)
        added.append(
            Person(
                name=clean_name(one.name),
                handle=handle,
                email=normal_email(one.email),
                team_id=team.id or 0,
                timezone=zone_name(one.timezone) if one.timezone else None,
                joined_on=one.joined_on,
                created_at=now,
                changed_at=now,
            )
        )
    session.add_all(added)
    session.flush()
    for person, (_team, one) in zip(added, fields, strict=True):
        if one.role != person.role:
            give_role(session, person, one.role)
    beat(session)
    return added


def change_person(session: Session, person: Person, team: Team, fields: PersonFields, now: datetime) -> None:
    """Change what an admin may. The handle stays, so that addresses do; points stay with the team they were earned in."""
    if person.role == "admin" and fields.role != "admin":
        _keep_an_admin(session, person)  # before a row is held: others hold no row when they ask
    email = normal_email(fields.email)
    _refuse_taken(session, email, person.id)
    if email != person.email:
        end_sessions(session, person)  # whoever reads the old address must not get back in with it
    if person.team_id != team.id:
        session.connection().execute(
            delete(TeamLead).where(
                col(TeamLead.person_id) == person.id, col(TeamLead.team_id) == person.team_id
            )
        )
    person.name, person.email, person.team_id = clean_name(fields.name), email, team.id or 0
    person.timezone = zone_name(fields.timezone) if fields.timezone else person.timezone
    person.joined_on = fields.joined_on or person.joined_on
    person.changed_at = now
    session.add(person)
    session.flush()
    give_role(session, person, fields.role)
    beat(session)


def give_role(session: Session, person: Person, role: str) -> None:
    """Make somebody a member, a lead (of the own team at least) or an admin. The last admin stays one. Raises Invalid."""
    if role not in ROLES:
        raise Invalid(_("A role is one of %(roles)s.", roles=", ".join(ROLES)), "role")
    if person.role == "admin" and role != "admin":
        _keep_an_admin(session, person)
    if role == "member":
        session.connection().execute(delete(TeamLead).where(col(TeamLead.person_id) == person.id))
    elif role == "lead" and not _leads_any(session, person):
        session.add(TeamLead(team_id=person.team_id, person_id=person.id or 0))
    _give_role(session, person, role)
    session.flush()


def _give_role(session: Session, person: Person, role: str) -> None:
    if person.role != role:
        person.role = role
        end_sessions(session, person)


def deactivate(session: Session, person: Person, now: datetime) -> None:
    """Somebody left: no sign-in, no token, no new points; what they earned and told stays. The last admin stays."""
    if person.role == "admin":
        _keep_an_admin(session, person)
    person.active, person.changed_at = False, now
    end_sessions(session, person)
    beat(session)


def reactivate(session: Session, person: Person, now: datetime) -> None:
    """Somebody is back. They sign in anew."""
    person.active, person.changed_at = True, now
    session.add(person)
    beat(session)


def _keep_an_admin(session: Session, person: Person) -> None:
    lock_names(session, {"admins"})  # of the last two who go at the same moment, one stays
    others = session.exec(
        select(func.count())
        .select_from(Person)
        .where(Person.role == "admin", col(Person.active), Person.id != person.id)
    ).one()
    if not others:
        raise Invalid(_("This is the last admin. Make somebody else an admin first."), "role")


def _refuse_taken(session: Session, email: str, person_id: int | None) -> None:
    other = session.exec(select(Person).where(Person.email == email)).first()
    if other is not None and other.id != person_id:
        raise Invalid(_("%(name)s has this address already.", name=other.name), "email")


def _wanted_handle(fields: PersonFields) -> str:
    return slug_of(fields.name, slug_of(fields.email.partition("@")[0], "person"))


def _free(wanted: str, taken: set[str]) -> str:
    number = 2
    free = wanted
    while free in taken:
        free = f"{wanted}-{number}"
        number += 1
    return free


# --- what people say of themselves ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What people decide about themselves."""

    name: str
    alias: str | None = None
    visibility: str = "on"
    timezone: str | None = None
    locale: str | None = None
    theme: str | None = None
    away_from: date | None = None
    away_until: date | None = None
    on_screens: bool = True


def change_settings(session: Session, person: Person, settings: Settings, now: datetime) -> None:
    """Keep what somebody decided about themselves. Raises Invalid."""
    if settings.visibility not in VISIBILITIES:
        raise Invalid(_("Choose who may see you on boards."), "visibility")
    alias = clean_name(settings.alias, "alias") if settings.alias and settings.alias.strip() else None
    if settings.visibility == "alias" and not alias:
        raise Invalid(_("Write the alias that boards should show."), "alias")
    if alias and _is_somebody_else(session, person, alias):
        raise Invalid(_("Somebody else has this name or alias. Choose another one."), "alias")
    if settings.away_from and settings.away_until and settings.away_until < settings.away_from:
        raise Invalid(_("The last day away is before the first."), "away_until")
    if settings.away_until and not settings.away_from:
        raise Invalid(_("Say from which day on you are away, too."), "away_from")
    if settings.theme not in (None, "light", "dark"):
        raise Invalid(_("Choose light, dark or as your device."), "theme")
    person.name = clean_name(settings.name)
    person.alias, person.visibility = alias, settings.visibility
    person.on_screens = settings.on_screens
    person.timezone = zone_name(settings.timezone) if settings.timezone else None
    person.locale, person.theme = settings.locale or None, settings.theme
    person.away_from, person.away_until = settings.away_from, settings.away_until
    person.changed_at = now
    session.add(person)
    session.flush()
    beat(session)


def _is_somebody_else(session: Session, person: Person, alias: str) -> bool:
    wanted = alias.casefold()
    others = session.exec(
        select(Person.name, Person.alias).where(Person.id != person.id, col(Person.active))
    ).all()
    return any(wanted in (name.casefold(), (other_alias or "").casefold()) for name, other_alias in others)


# --- single sign-on ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claims:
    """What an identity provider vouches for."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None


def person_of_claims(session: Session, claims: Claims, *, create: bool, zone: str, now: datetime) -> Person:
    """Who signs in: matched by issuer and subject; the first time by a verified address, or created if `create`.

    Raises Invalid, with words for the person, where nobody can be meant: an address alone proves nothing, for anybody may
    write another's into a provider's profile.
    """
    known = session.exec(
        select(Person).where(Person.oidc_issuer == claims.issuer, Person.oidc_subject == claims.subject)
    ).first()
    if known is not None:
        return _active(known)
    if not claims.email or claims.email_verified is not True:
        raise Invalid(_("Your sign-in service does not confirm your e-mail address. Ask your admin."))
    email = normal_email(claims.email)
    person = session.exec(select(Person).where(Person.email == email)).first()
    if person is None:
        if not create:
            raise Invalid(_("Nobody here has your address. Ask your admin to add you."))
        person = _create_newcomer(session, claims, email, zone, now)
    elif person.oidc_subject is not None:
        raise Invalid(_("Your address belongs to another account of your sign-in service. Ask your admin."))
    person.oidc_issuer, person.oidc_subject = claims.issuer, claims.subject
    session.add(person)
    session.flush()
    return _active(person)


def _active(person: Person) -> Person:
    if not person.active or person.merged_into_id is not None or person.bot:
        raise Invalid(_("Your account here is not active. Ask your admin."))
    return person


def _create_newcomer(session: Session, claims: Claims, email: str, zone: str, now: datetime) -> Person:
    team = team_named(session, NEWCOMERS) or add_team(session, TeamFields(NEWCOMERS, zone), now)
    fields = PersonFields(name=claims.name or email.partition("@")[0], email=email)
    return add_person(session, team, fields, now)
