"""Invitations: a letter with a link to everybody who is here and never came in. Asked for on a page, sent by the clock.

The link is made when its letter goes out and is kept nowhere. It works until its person has come in, two weeks at most.
"""

import hmac
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import ColumnElement, and_, delete, exists, func
from sqlmodel import Session, col, select

from leaderboard import people
from leaderboard.announcements import WAITS, NotSent, send_mail
from leaderboard.config import Config
from leaderboard.database import Database, insert
from leaderboard.tables import Invitation, Person, WebAuthn, is_uid
from leaderboard.weeks import Clock

log = logging.getLogger(__name__)

LASTS = timedelta(days=14)
CLAIMED = timedelta(minutes=20)
"""A letter that is being sent is not due for so long; whose sender died goes out again, which harms nobody."""
AT_ONCE = 8
LINK = "{link}"
"""Where in a letter's text the link will stand."""


@dataclass(frozen=True)
class Letter:
    """What one person is to read, in their language; `LINK` stands where the link will."""

    person_id: int
    subject: str
    body: str


@dataclass(frozen=True)
class Progress:
    """How the letters of those who are still to come in do, and how many never got one."""

    waiting: int
    sent: int
    failed: int
    never: int

    @property
    def asked(self) -> int:
        return self.waiting + self.sent + self.failed


# ---------------------------------------------------------------- who is still to come in


def _outside() -> ColumnElement[bool]:
    """Who is active and has never had a way to sign in."""
    passkey = exists().where(col(WebAuthn.user_id) == col(Person.id))
    return and_(
        col(Person.active),
        ~col(Person.bot),
        col(Person.merged_into_id).is_(None),
        col(Person.password).is_(None),
        col(Person.oidc_subject).is_(None),
        ~passkey,
    )


def outside(session: Session, limit: int | None = None) -> list[tuple[Person, Invitation | None]]:
    """Those who never came in, by name, each with their letter."""
    query = (
        select(Person, Invitation)
        .outerjoin(Invitation, col(Invitation.person_id) == col(Person.id))
        .where(_outside())
        .order_by(func.lower(Person.name), col(Person.id))
    )
    return [(person, letter) for person, letter in session.exec(query.limit(limit))]


def progress(session: Session) -> Progress:
    """Counts of those who never came in, by the state of their letter."""
    query = (
        select(Invitation.state, func.count())
        .select_from(Person)
        .outerjoin(Invitation, col(Invitation.person_id) == col(Person.id))
        .where(_outside())
        .group_by(col(Invitation.state))
    )
    counts = {state or "never": count for state, count in session.exec(query)}
    return Progress(*(counts.get(state, 0) for state in ("waiting", "sent", "failed", "never")))


# ---------------------------------------------------------------- links


def link(config: Config, person: Person, now: datetime) -> str:
    """Where this person sets a first password. It ends with their coming in, with their old address, or after two weeks."""
    token = _signer(config).dumps([person.uid, _epoch(person), int((now + LASTS).timestamp())])
    return f"{config.public_url}/invitation/{token}"


def invited(session: Session, config: Config, token: str, now: datetime) -> Person | None:
    """Whose link this is, while it works."""
    try:
        uid, epoch, ends = _signer(config).loads(token)
    except (BadData, ValueError, TypeError):
        return None
    if not (isinstance(uid, str) and is_uid(uid) and isinstance(epoch, str) and isinstance(ends, int)):
        return None
    person = session.exec(select(Person).where(Person.uid == uid, _outside())).first()
    if person is None or now.timestamp() > ends or not hmac.compare_digest(epoch, _epoch(person)):
        return None
    return person


def come_in(session: Session, config: Config, token: str, password: str, now: datetime) -> Person | None:
    """Give the invited person their first password (its hash); None where the link does not work (any more)."""
    person = invited(session, config, token, now)
    if person is not None:
        person.password, person.confirmed_at = password, now
        people.end_sessions(session, person)  # and with it the link, of two who press at the same moment one
        session.connection().execute(delete(Invitation).where(col(Invitation.person_id) == person.id))
        session.flush()
    return person


def _epoch(person: Person) -> str:
    return people.sha256(person.fs_uniquifier)[:32]


def _signer(config: Config) -> URLSafeSerializer:
    return URLSafeSerializer(people.derived(config.server.secret_key.get_secret_value(), "invitation"))


# ---------------------------------------------------------------- letters


def invite(session: Session, letters: Sequence[Letter], by: int | None, now: datetime) -> None:
    """Have these letters sent by the clock, those that were sent before once more."""
    if not letters:
        return
    table = Invitation.__table__  # type: ignore[attr-defined]
    rows = [
        {
            "person_id": letter.person_id,
            "subject": letter.subject,
            "body": letter.body,
            "state": "waiting",
            "attempts": 0,
            "created_at": now,
            "created_by": by,
            "next_try_at": now,
            "sent_at": None,
            "error": None,
        }
        for letter in letters
    ]
    statement = insert(session, table)
    anew = {name: statement.excluded[name] for name in rows[0] if name != "person_id"}
    statement = statement.on_conflict_do_update(index_elements=["person_id"], set_=anew)
    session.connection().execute(statement, rows)


def send_due(db: Database, config: Config, clock: Clock) -> int:
    """Send what is due, side by side, each outside any unit of work; how many were tried."""
    tried = 0
    while parcels := _claim_due(db, config, clock):
        with ThreadPoolExecutor(len(parcels), "invite") as pool:
            list(pool.map(lambda parcel: _send(db, config, clock, *parcel), parcels))
        tried += len(parcels)
    return tried


def _claim_due(db: Database, config: Config, clock: Clock) -> list[tuple[Invitation, str, str]]:
    """Letters for this sender alone, each with its address and its text."""
    now = clock()
    due = and_(col(Invitation.state) == "waiting", col(Invitation.next_try_at) <= now)
    if not config.mail.server:
        return []
    with db.reading() as session:
        if session.exec(select(Invitation.id).where(due).limit(1)).first() is None:
            return []
    with db.writing() as session:
        found = session.exec(
            select(Invitation, Person)
            .join(Person, col(Person.id) == col(Invitation.person_id))
            .where(due)
            .order_by(col(Invitation.id))
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, of=Invitation)
        ).all()
        ids = [person.id for _letter, person in found]
        still = set(session.exec(select(Person.id).where(col(Person.id).in_(ids), _outside())))
        parcels = []
        for letter, person in found:
            if person.id not in still:  # came in meanwhile, or left
                session.delete(letter)
                continue
            letter.attempts, letter.next_try_at = letter.attempts + 1, now + CLAIMED
            session.add(letter)
            parcels.append((letter, person.email, letter.body.replace(LINK, link(config, person, now))))
    return parcels


def _send(db: Database, config: Config, clock: Clock, letter: Invitation, to: str, text: str) -> None:
    problem = None
    try:
        send_mail(config, to, letter.subject, text)
    except NotSent as error:
        problem = error
    now = clock()
    with db.writing() as session:
        row = session.get(Invitation, letter.id)
        if row is not None and row.attempts == letter.attempts:
            if problem is None:
                row.state, row.sent_at, row.error = "sent", now, None
            elif problem.lasting or row.attempts > len(WAITS):
                row.state, row.error = "failed", str(problem)
            else:
                row.next_try_at, row.error = now + WAITS[row.attempts - 1], str(problem)
            session.add(row)
    log.info("invitation %s, try %s: %s", letter.id, letter.attempts, problem or "sent")
