"""Letters: by mail, what a person wished to hear by mail. At once each thing, or in one letter every morning.

A letter is a row with a lease, like an announcement, and its words are made when it is sent: what was read meanwhile, or may be
seen no more, is not in it. Where nobody can know whether it arrived it is *unsure* and not sent again: all stands in the page.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from itsdangerous import BadSignature, URLSafeSerializer
from jinja2 import Environment, FileSystemLoader
from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from leaderboard import notices
from leaderboard.announcements.leasing import LEASE, LOST, lost, outcome, waits
from leaderboard.announcements.mail import NotSent, send_mail
from leaderboard.config import Config, folder
from leaderboard.database import Database
from leaderboard.languages import speaking
from leaderboard.tables import Letter, Notice, Person, is_uid
from leaderboard.weeks import Clock

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Letters on their way side by side."""
GATHERED = 200
"""People whose letters one unit of work begins."""
NEWS_FOR = timedelta(days=2)
"""What could not be mailed for so long (there was no mail server, no clock) is not mailed any more."""
MOST = 50
"""Notices in one letter; the page has the others."""
UNREAD = ("new", "unread")

notice = Notice.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Parcel:
    """A leased letter: whose, and how often it was tried, this time included."""

    id: int
    person_id: int
    attempts: int


@dataclass(frozen=True)
class Written:
    """A letter in words. `stop` is the address that ends all such mails."""

    to: str
    subject: str
    text: str
    html: str
    stop: str


# ---------------------------------------------------------------- the link that ends them


def stop_token(config: Config, person: Person) -> str:
    """What proves that a letter was this person's: in the address that ends their mails, for good."""
    return str(_signer(config).dumps(person.uid))


def person_of_stop(session: Session, config: Config, token: str) -> Person:
    """Whose mails this token ends. LookupError for one that is none of ours."""
    try:
        uid = _signer(config).loads(token)
    except BadSignature:
        raise LookupError(token) from None
    query = select(Person).where(Person.uid == uid)
    person = session.exec(query).first() if isinstance(uid, str) and is_uid(uid) else None
    if person is None:
        raise LookupError(token)
    return person


def _signer(config: Config) -> URLSafeSerializer:
    return URLSafeSerializer(config.server.secret_key.get_secret_value(), salt="no more mail")


# ---------------------------------------------------------------- the outbox


def deliver_letters(db: Database, config: Config, clock: Clock) -> int:
    """Write and send the letters that are due, each outside any unit of work; returns how many were tried."""
    tried = 0
    while True:
        with db.reading() as session:
            if not _something_due(session, clock()):
                return tried
        with db.writing() as session:
            gather(session, config, clock())
            parcels = lease(session, clock())
        if parcels:
            with ThreadPoolExecutor(len(parcels), "letters") as pool:
                list(pool.map(lambda parcel: _deliver(db, config, clock, parcel), parcels))
        tried += len(parcels)


def gather(session: Session, config: Config, now: datetime) -> int:
    """Put what is due into one new letter per person; returns how many. Without a mail server it is left to the page."""
    connection = session.connection()
    late = notice.c.at < now - NEWS_FOR
    if not config.mail.server:
        connection.execute(update(notice).where(_due(now)).values(mail_at=None))
        return 0
    connection.execute(update(notice).where(_due(now), late).values(mail_at=None))
    people = session.exec(select(Notice.person_id).where(_due(now)).distinct().limit(GATHERED)).all()
    for person_id in sorted(people):
        letter = Letter(person_id=person_id, created_at=now, next_try_at=now)
        session.add(letter)
        session.flush()
        mine = and_(notice.c.person_id == person_id, _due(now))
        connection.execute(update(notice).where(mine).values(mail_at=None, letter_id=letter.id))
    return len(people)


def lease(session: Session, now: datetime) -> list[Parcel]:
    """Take a few due letters for this sender alone. One whose lease ran out has lost its sender: it is unsure, and stays so."""
    session.connection().execute(
        update(Letter).where(lost(Letter, now)).values(state="unsure", leased_until=None, error=LOST)
    )
    due = select(Letter).where(waits(Letter, now)).order_by(col(Letter.attempts), col(Letter.id))
    rows = session.exec(due.limit(AT_ONCE).with_for_update(skip_locked=True)).all()
    for row in rows:
        row.state, row.leased_until, row.attempts = "sending", now + LEASE, row.attempts + 1
        session.add(row)
    return [Parcel(row.id or 0, row.person_id, row.attempts) for row in rows]


def mark(session: Session, parcel: Parcel, values: dict[str, Any]) -> None:
    """Write down how a try ended, also of a letter that meanwhile counts as unsure."""
    session.connection().execute(
        update(Letter)
        .where(col(Letter.id) == parcel.id, col(Letter.attempts) == parcel.attempts)
        .where(col(Letter.state).in_(("sending", "unsure")))
        .values(leased_until=None, **values)
    )


def _deliver(db: Database, config: Config, clock: Clock, parcel: Parcel) -> None:
    with db.reading() as session:
        written = write(session, config, parcel)
    if written is None:
        values: dict[str, Any] = {"state": "empty", "error": None}
    else:
        problem = None
        try:
            send_mail(
                config,
                written.to,
                written.subject,
                written.text,
                html=written.html,
                headers={  # RFC 8058: a mail program's own button ends them with one POST
                    "List-Unsubscribe": f"<{written.stop}>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                },
            )
        except NotSent as error:
            problem = error
        values = outcome(problem, parcel.attempts, clock())
    with db.writing() as session:
        mark(session, parcel, values)
    log.info("letter %s, try %s: %s", parcel.id, parcel.attempts, values["error"] or values["state"])


def _something_due(session: Session, now: datetime) -> bool:
    waiting = select(Notice.id).where(_due(now)).limit(1)
    letters = select(Letter.id).where(or_(waits(Letter, now), lost(Letter, now))).limit(1)
    return session.exec(waiting).first() is not None or session.exec(letters).first() is not None


def _due(now: datetime) -> Any:
    """What wants to go out by now; what waits for more than a day and an hour was told before the clock was put back."""
    return or_(notice.c.mail_at <= now, notice.c.mail_at > now + timedelta(hours=25))


# ---------------------------------------------------------------- the words


def write(session: Session, config: Config, parcel: Parcel) -> Written | None:
    """The letter in the person's language; None where nothing is left to tell, or nobody to tell it to."""
    person = session.get_one(Person, parcel.person_id)
    rows = select(Notice).where(Notice.letter_id == parcel.id, col(Notice.state).in_(UNREAD))
    found = session.exec(rows.order_by(col(Notice.at).desc(), col(Notice.id).desc()).limit(MOST)).all()
    said = notices.described(session, person, found)
    if not said or not person.active:
        return None
    with speaking(person.locale):
        return _in_words(config, person, said)


def _in_words(config: Config, person: Person, said: list[notices.Said]) -> Written:
    lines = [(notices.sentence(one), one.words, f"{config.public_url}/notices/{one.id}") for one in said]
    stop = f"{config.public_url}/notices/mail/{stop_token(config, person)}"
    words = {
        "hello": _("Hello %(name)s,", name=person.name),
        "why": _("You chose to be told this by mail. Choose anew:"),
        "ways": f"{config.public_url}/me/notices",
        "no_more": _("No more of these mails:"),
        "stop": stop,
    }
    subject = lines[0][0]
    if len(lines) > 1:
        subject = ngettext("%(num)s thing that is about you", "%(num)s things that are about you", len(lines))
    text = [words["hello"]]
    text += ["\n".join(filter(None, (line, more and f"“{more}”", url))) for line, more, url in lines]
    text += [f"-- \n{words['why']} {words['ways']}\n{words['no_more']} {stop}"]
    html = _templates().get_template("letter.html").render(words, lines=lines, language=person.locale or "en")
    return Written(person.email, f"Extra Mile: {subject}", "\n\n".join(text) + "\n", html, stop)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(folder("templates")), autoescape=True)
