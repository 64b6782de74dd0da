"""People and teams: how they are found, named and kept, who leads whom, and what ends their sessions and tokens."""

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from sqlalchemy import and_, delete, func, or_, update
from sqlmodel import Session, col, select

from leaderboard.plugin import Invalid
from leaderboard.tables import Person, SignedIn, Team, TeamLead, Token, new_uid
from leaderboard.weeks import Week, Zones

MAX_NAME = 120
MAX_EMAIL = 254
MAX_PASSWORD_BYTES = 1024
SCOPES = ("read", "write", "admin")
TOKEN_PREFIX = "em_"  # noqa: S105 (the beginning by which secret scanners know one of ours)
ROLES = ("member", "lead", "admin")

# --- names and addresses ------------------------------------------------------------------------------------

UNSEEN = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Categories without a place in a name: controls, halves of characters, unassigned, private, line ends."""
INVISIBLE = set(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\u2800\u3164\ufeff\uffa0"
)
"""Letters that show nothing, and marks that turn the direction of what follows."""
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
JOINERS = set("\u200c\u200d")
"""Needed inside Persian words and emoji, nothing by themselves."""


def clean_name(text: str, field: str = "name") -> str:
    """A name as it is stored: NFC, one space between words, nothing that cannot be seen. Raises Invalid for an empty one."""
    kept = "".join(
        " " if unicodedata.category(sign) == "Zs" or sign in "\t\r\n" else sign
        for sign in unicodedata.normalize("NFC", text)
        if sign in "\t\r\n"
        or not (unicodedata.category(sign) in UNSEEN or sign in INVISIBLE or sign in TURNING)
    )
    name = " ".join(kept.split())
    if not any(unicodedata.category(sign)[0] in "LNPS" for sign in name):
        raise Invalid("Write a name that can be seen.", field)
    if len(name) > MAX_NAME:
        raise Invalid(f"A name has at most {MAX_NAME} characters.", field)
    return name


ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@(?P<host>[^\s@<>()\[\]\\,;:\"/]+)")
LABEL = re.compile(r"[^\W_]([\w-]*[^\W_])?")


def normal_email(text: str, field: str = "email") -> str:
    """An address as it is stored and compared: NFC, lower case. Raises Invalid for what cannot be one."""
    address = unicodedata.normalize("NFC", text.strip()).lower()
    match = ADDRESS.fullmatch(address)
    seen = all(unicodedata.category(sign)[0] in "LMNPS" for sign in address)
    if not (match and seen and len(address) <= MAX_EMAIL and ".." not in address):
        raise Invalid("Write an e-mail address, as ana@example.com.", field)
    if not all(LABEL.fullmatch(label) for label in match["host"].split(".")):
        raise Invalid("Write an e-mail address, as ana@example.com.", field)
    return address


def slug_of(text: str, otherwise: str) -> str:
    """Lower-case ASCII letters, digits and hyphens that stand for a name in an address; at most 60."""
    ascii_text = (
        unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    )
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:60].strip("-") or otherwise


# --- finding ------------------------------------------------------------------------------------------------


def find(session: Session, text: str) -> Person | None:
    """The person with this uid, handle or e-mail address; who was merged into somebody is found as that somebody."""
    text = unicodedata.normalize("NFC", text.strip()).lower()
    if not text or len(text) > MAX_EMAIL or "\0" in text or not _is_unicode(text):
        return None
    person = session.exec(
        select(Person)
        .where(or_(col(Person.uid) == text, col(Person.handle) == text, col(Person.email) == text))
        .order_by((col(Person.email) == text).desc(), (col(Person.uid) == text).desc())
    ).first()
    while person is not None and person.merged_into_id is not None:
        person = session.get(Person, person.merged_into_id)
    return person


def search(session: Session, text: str, limit: int = 8) -> list[Person]:
    """Active people whose name, handle or address holds this text, those whose name begins with it first."""
    wanted = " ".join(unicodedata.normalize("NFC", text).lower().split())[:MAX_NAME]
    if not wanted or "\0" in wanted or not _is_unicode(wanted):
        return []
    name = func.lower(col(Person.name))
    return list(
        session.exec(
            select(Person)
            .where(col(Person.active), ~col(Person.bot), col(Person.merged_into_id).is_(None))
            .where(
                or_(
                    name.contains(wanted, autoescape=True),
                    col(Person.handle).contains(wanted, autoescape=True),
                    col(Person.email).startswith(wanted, autoescape=True),
                )
            )
            .order_by(name.startswith(wanted, autoescape=True).desc(), name, col(Person.id))
            .limit(limit)
        )
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


# --- teams and their leads ----------------------------------------------------------------------------------


def zones(team: Team) -> Zones:
    """The team's zone, and the one it changes to."""
    return Zones(
        team.timezone,
        team.next_timezone,
        Week.parse(team.next_timezone_from) if team.next_timezone_from else None,
    )


def leads_of(session: Session, team_id: int) -> list[int]:
    """The ids of those who lead this team now, without leavers."""
    return list(
        session.exec(
            select(TeamLead.person_id)
            .join(Person, col(Person.id) == TeamLead.person_id)
            .where(TeamLead.team_id == team_id, col(Person.active), col(Person.role).in_(("lead", "admin")))
            .order_by(col(TeamLead.person_id))
        )
    )


def teams_led_by(session: Session, person: Person) -> list[Team]:
    """The teams this person leads by name, in the order of their names."""
    return list(
        session.exec(
            select(Team)
            .join(TeamLead, col(TeamLead.team_id) == Team.id)
            .where(TeamLead.person_id == person.id)
            .order_by(func.lower(col(Team.name)))
        )
    )


def leads(session: Session, person: Person, team_id: int) -> bool:
    """Whether this person leads that team by name (an admin is no lead of it for being an admin)."""
    return person.role in ("lead", "admin") and person.id in leads_of(session, team_id)


# --- the directory and what one sees ------------------------------------------------------------------------


def directory(
    session: Session, text: str = "", team_id: int | None = None, after: int | None = None, limit: int = 60
) -> list[tuple[Person, Team]]:
    """Active people by name, with their teams: those whose name or handle holds `text`, of one team, after a person's id."""
    name = func.lower(col(Person.name))
    query = (
        select(Person, Team)
        .join(Team, col(Team.id) == Person.team_id)
        .where(col(Person.active), ~col(Person.bot), col(Person.merged_into_id).is_(None))
    )
    wanted = " ".join(unicodedata.normalize("NFC", text).lower().split())[:MAX_NAME]
    if "\0" in wanted or not _is_unicode(wanted):
        return []
    if wanted:
        holds = name.contains(wanted, autoescape=True)
        query = query.where(or_(holds, col(Person.handle).contains(wanted, autoescape=True)))
    if team_id is not None:
        query = query.where(Person.team_id == team_id)
    if after is not None and (last := session.get(Person, after)):
        # The database lowers the name itself: it alone knows how it sorts.
        last_name = select(name).where(Person.id == last.id).scalar_subquery()
        query = query.where(or_(name > last_name, and_(name == last_name, col(Person.id) > after)))
    return list(session.exec(query.order_by(name, col(Person.id)).limit(limit)))


def teams(session: Session) -> list[Team]:
    """Every team, by name."""
    return list(session.exec(select(Team).order_by(func.lower(col(Team.name)))))


def zone_of(session: Session, person: Person) -> str:
    """The zone that times are shown in to this person: their own, else their team's."""
    team = None if person.timezone else session.get(Team, person.team_id)
    return person.timezone or (team.timezone if team else "UTC")


def choose_theme(session: Session, person_id: int, theme: str | None) -> None:
    """Remember how pages look to this person: "light", "dark", or None for as the device prefers."""
    session.connection().execute(update(Person).where(col(Person.id) == person_id).values(theme=theme))


# --- passwords, sessions, tokens ----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def hasher() -> PasswordHasher:
    """Argon2id as OWASP's cheat sheet sets it for servers: 19 MiB, two passes."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The stored form of a password; takes some 20 ms, so do it outside a unit of work."""
    return hasher().hash(unicodedata.normalize("NFKD", password))


def end_sessions(session: Session, person: Person) -> None:
    """Sign this person out everywhere, at the next request: sessions, links to reset a password, and API tokens."""
    person.fs_uniquifier = new_uid()
    session.add(person)
    session.connection().execute(delete(SignedIn).where(col(SignedIn.person_id) == person.id))


def sign_in(session: Session, person_id: int, now: datetime, hours: int) -> str:
    """Note a new session of this person; answers the secret that its cookie carries."""
    secret = secrets.token_urlsafe(32)
    session.connection().execute(
        delete(SignedIn).where(col(SignedIn.person_id) == person_id, col(SignedIn.ends_at) <= now)
    )
    session.add(
        SignedIn(key=sha256(secret), person_id=person_id, began_at=now, ends_at=now + timedelta(hours=hours))
    )
    return secret


def sign_out(session: Session, secret: str) -> None:
    """End the session with this secret; its cookie is worth nothing from now on."""
    session.connection().execute(delete(SignedIn).where(col(SignedIn.key) == sha256(secret)))


def signed_in(session: Session, epoch: str, secret: str, now: datetime) -> Person | None:
    """The active person whose session has this secret and who was not signed out everywhere since."""
    return session.exec(
        select(Person)
        .join(SignedIn, col(SignedIn.person_id) == Person.id)
        .where(SignedIn.key == sha256(secret), SignedIn.ends_at > now)
        .where(Person.fs_uniquifier == epoch, col(Person.active))
    ).first()


@dataclass(frozen=True)
class TokenHolder:
    """Who calls with a token, and what the token may do."""

    person: Person
    scopes: frozenset[str]


def token_create(
    session: Session, person: Person, scopes: list[str], days: int | None, now: datetime, name: str = "API"
) -> str:
    """A new API token, told once; only its hash is kept. `days` None never expires. Raises Invalid."""
    if not scopes or any(scope not in SCOPES for scope in scopes):
        raise Invalid(f"A token's scopes are some of {', '.join(SCOPES)}.", "scopes")
    if "admin" in scopes and person.role != "admin":
        raise Invalid("Only an admin can have a token with the scope admin.", "scopes")
    if days is not None and not 1 <= days <= 3650:
        raise Invalid("A token lasts between 1 and 3650 days.", "days")
    if not person.active:
        raise Invalid(f"{person.name} is deactivated.", "person")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    session.add(
        Token(
            person_id=person.id or 0,
            name=clean_name(name),
            hash=sha256(token),
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            epoch=person.fs_uniquifier,
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
    )
    return token


def person_of_token(session: Session, token: str, now: datetime) -> TokenHolder | None:
    """Who this token stands for, unless it is unknown, expired, revoked, or its person signed out everywhere or left."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > 100 or not token.isascii():
        return None
    row = session.exec(
        select(Token, Person)
        .join(Person, col(Person.id) == Token.person_id)
        .where(Token.hash == sha256(token), col(Token.revoked_at).is_(None))
        .where(Token.epoch == Person.fs_uniquifier, col(Person.active))
        .where(or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now))
    ).first()
    return TokenHolder(row[1], frozenset(row[0].scopes.split())) if row else None


def token_revoke(session: Session, person: Person, token_id: int, now: datetime) -> None:
    """End one of this person's tokens; another's, or none, changes nothing."""
    session.connection().execute(
        update(Token)
        .where(col(Token.id) == token_id, col(Token.person_id) == person.id, col(Token.revoked_at).is_(None))
        .values(revoked_at=now)
    )


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
