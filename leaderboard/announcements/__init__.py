"""The outbox: one row per closed week and channel, sent by lease and marked after.

Each message reaches its channel at least once. Where nobody can know whether it arrived (the process died inside the send, the
service took it and fell silent) the row becomes *unsure* and a person decides; nothing is sent twice by itself.
"""

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask_babel import gettext as _
from sqlalchemy import delete, or_, update
from sqlmodel import Session, col, select

from leaderboard.announcements.leasing import LEASE, LOST, WAITS, lost, outcome, waits
from leaderboard.announcements.mail import NotSent, clean_subject, send_mail
from leaderboard.config import Config
from leaderboard.database import Database, beat, insert
from leaderboard.plugin import Invalid, decode_json
from leaderboard.tables import Announcement, Channel, ClosedWeek, Team
from leaderboard.weeks import Clock

__all__ = [
    "WAITS",
    "NotSent",
    "add_channel",
    "channels",
    "check_target",
    "clean_subject",
    "deliver_due",
    "it_arrived",
    "lease",
    "mark",
    "of_week",
    "plain",
    "queue",
    "reach",
    "remove_channel",
    "send",
    "send_again",
    "send_mail",
    "shown",
    "stuck",
]

log = logging.getLogger(__name__)

WHY_NOT = {
    "unknown": "it is not the address of a service that we know",
    "forbidden": "the service is not on the list of [announce] schemas",
    "inside": "the address is inside the own network; only [announce] hosts may be",
}
"""What the courier found out about an address, in words for an operator."""
AT_ONCE = 8
"""Channels that one step sends to side by side, so that a hanging one delays no other."""
CHANNELS_PER_TEAM = 10
ADDRESSES_PER_CHANNEL = 20
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
ENVIRONMENT = re.compile(
    r"(?i)(https?|no|all)_proxy|ssl_cert_(file|dir)|requests_ca_bundle|path|systemroot|lang"
)
"""What the courier inherits; none of our own settings are among it."""


KEPT = "\n\t\u200c\u200d"
"""Format characters that text needs: lines, and the joiners inside Persian words and emoji."""


@dataclass(frozen=True)
class Parcel:
    """A leased row: what to send, where to, and how often it was tried, this time included."""

    id: int
    kind: str
    target: str
    subject: str
    body: str
    attempts: int


# ---------------------------------------------------------------- text


def plain(text: str) -> str:
    """Text that stays text in every channel: nobody is pinged, nothing becomes a link under other words or a service's own tag.

    An invisible mark breaks "@everyone" and "](", angle brackets become their typographic sisters; control and direction
    characters go.
    """
    kept = "".join(
        sign for sign in text if sign in KEPT or unicodedata.category(sign) not in ("Cc", "Cf", "Cs")
    )
    for loud, quiet in (("<", "‹"), (">", "›"), ("@", "@\u200b"), ("](", "]\u200b("), ("]:", "]\u200b:")):
        kept = kept.replace(loud, quiet)
    return kept


# ---------------------------------------------------------------- channels


def channels(session: Session, team_id: int) -> Sequence[Channel]:
    """The team's active channels, oldest first."""
    return session.exec(
        select(Channel).where(Channel.team_id == team_id, col(Channel.active)).order_by(col(Channel.id))
    ).all()


def add_channel(session: Session, team_id: int, kind: str, name: str, target: str) -> Channel:
    """A new channel of a team, at an address that `check_target` gave; Invalid says what to mend in its name."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60:
        raise Invalid(_("Give the channel a name of 1 to 60 characters."), "name")
    if len(channels(session, team_id)) >= CHANNELS_PER_TEAM:
        raise Invalid(_("A team has at most %(most)s channels.", most=CHANNELS_PER_TEAM), "name")
    row = Channel(team_id=team_id, kind=kind, name=name, target=target)
    session.add(row)
    session.flush()
    return row


def remove_channel(session: Session, team_id: int, channel_id: int) -> None:
    """Send nothing there any more and forget its secret; Invalid when the team has no such channel."""
    row = session.get(Channel, channel_id)
    if row is None or row.team_id != team_id or not row.active:
        raise Invalid(_("This team has no such channel."))
    row.active, row.target = False, ""
    session.add(row)


def check_target(config: Config, kind: str, target: str) -> str:
    """The address as it is kept: e-mail addresses, or an Apprise or webhook URL of an allowed service. Raises Invalid.

    Takes a second or two (Apprise loads all its services): call it outside any unit of work.
    """
    if kind == "email":
        addresses = [part for part in re.split(r"[\s,;]+", target) if part]
        if not addresses or len(addresses) > ADDRESSES_PER_CHANNEL:
            raise Invalid(_("Write 1 to %(most)s e-mail addresses.", most=ADDRESSES_PER_CHANNEL), "target")
        for address in addresses:
            if not ADDRESS.fullmatch(address):
                raise Invalid(_("%(address)s is not an e-mail address.", address=address[:80]), "target")
        return ", ".join(addresses)
    if kind != "apprise":
        raise Invalid(_("Choose e-mail or a chat service."), "kind")
    return _check_url(config, target.strip())


def shown(channel: Channel) -> str:
    """All of a channel's address that is ever shown again: e-mail addresses, or the service without its secret."""
    if channel.kind == "email" or not channel.target:
        return channel.target
    parts = urlsplit(channel.target)
    return (parts.hostname or "") if parts.scheme in ("http", "https") else parts.scheme


def _check_url(config: Config, url: str) -> str:
    if not re.fullmatch(r"[a-z]{2,20}://[\x21-\x7e]{3,1900}", url):
        raise Invalid(_("Paste the service's webhook address, or an Apprise address as slack://…"), "target")
    try:
        problem = str(_ask_courier(config, {"url": url}, 30)["error"] or "")
    except NotSent:
        raise Invalid(_("The address could not be looked at just now; try again."), "target") from None
    if problem == "forbidden":
        message = _(
            "This service is not on the list of allowed ones; an operator may add it to [announce] schemas."
        )
    elif problem == "inside":
        message = _("This address is inside the own network; an operator may add it to [announce] hosts.")
    elif problem.startswith("query:"):
        message = _("Leave “%(key)s=” out of the address.", key=problem.removeprefix("query:"))
    elif problem:
        message = _("This is not the address of a service that we know.")
    else:
        return url
    raise Invalid(message, "target")


# ---------------------------------------------------------------- the outbox


def queue(
    session: Session,
    closed_week_id: int,
    team_id: int,
    subject: str,
    body: str,
    now: datetime,
    *,
    hold: timedelta = timedelta(0),
) -> int:
    """One row for each of the team's active channels; how many are new. A second call adds nothing.

    They leave once `hold` is over; until then `take_back` takes them out again.
    """
    new = 0
    table = Announcement.__table__  # type: ignore[attr-defined]
    for channel in channels(session, team_id):
        row = {
            "closed_week_id": closed_week_id,
            "channel_id": channel.id,
            "subject": subject,
            "body": body,
            "state": "waiting",
            "attempts": 0,
            "created_at": now,
            "next_try_at": now + hold,
        }
        statement = insert(session, table).values(row).on_conflict_do_nothing().returning(table.c.id)
        new += session.connection().execute(statement).first() is not None
    return new


def take_back(session: Session, closed_week_id: int) -> None:
    """Take a week's messages out again. Invalid once one of them may have left."""
    rows = Announcement.__table__  # type: ignore[attr-defined]
    of_it = rows.c.closed_week_id == closed_week_id
    session.connection().execute(delete(rows).where(of_it, rows.c.state == "waiting", rows.c.attempts == 0))
    if session.connection().execute(select(rows.c.id).where(of_it).limit(1)).first() is not None:
        raise Invalid(_("Its messages are on their way already."))


def of_week(session: Session, closed_week_id: int) -> list[tuple[Announcement, Channel]]:
    """What went where, in the order of the channels."""
    return [
        (row, channel)
        for row, channel in session.exec(
            select(Announcement, Channel)
            .join(Channel, col(Channel.id) == col(Announcement.channel_id))
            .where(Announcement.closed_week_id == closed_week_id)
            .order_by(col(Channel.id))
        )
    ]


@dataclass(frozen=True)
class Stuck:
    """A message that a person decides about: whose week, which channel, "unsure" or "failed", and why."""

    team: str
    slug: str
    week: str
    channel: str
    state: str
    error: str


def stuck(session: Session, limit: int) -> list[Stuck]:
    """What did not surely arrive, the newest first; what went to a channel that is gone is nobody's task any more."""
    found = session.exec(
        select(Announcement, Channel, ClosedWeek, Team)
        .join(Channel, col(Channel.id) == col(Announcement.channel_id))
        .join(ClosedWeek, col(ClosedWeek.id) == col(Announcement.closed_week_id))
        .join(Team, col(Team.id) == col(ClosedWeek.team_id))
        .where(col(Announcement.state).in_(("unsure", "failed")), col(Channel.active))
        .order_by(col(Announcement.id).desc())
        .limit(limit)
    )
    return [
        Stuck(team.name, team.slug, week.week, channel.name, row.state, row.error or "")
        for row, channel, week, team in found
    ]


def send_again(session: Session, announcement_id: int, now: datetime) -> None:
    """A person's decision: try it (once more) from now on. Invalid while it is waiting or being sent anyway."""
    _decide(
        session,
        announcement_id,
        ("unsure", "failed", "sent"),
        state="waiting",
        attempts=0,
        next_try_at=now,
        error=None,
        sent_at=None,
    )


def it_arrived(session: Session, announcement_id: int, now: datetime) -> None:
    """A person's decision about an unsure one: it is there, send nothing more."""
    _decide(session, announcement_id, ("unsure",), state="sent", sent_at=now, error=None)


def _decide(session: Session, announcement_id: int, states: tuple[str, ...], **values: Any) -> None:
    changed = session.connection().execute(
        update(Announcement)
        .where(col(Announcement.id) == announcement_id, col(Announcement.state).in_(states))
        .values(leased_until=None, **values)
    )
    if not changed.rowcount:
        raise Invalid(_("This message has changed meanwhile; look again."))
    beat(session)


def lease(session: Session, now: datetime, limit: int = AT_ONCE) -> list[Parcel]:
    """Take up to `limit` due rows for this sender alone, the least tried first.

    A row whose lease ran out has lost its sender inside the send: it becomes unsure.
    """
    session.connection().execute(
        update(Announcement)
        .where(lost(Announcement, now))
        .values(state="unsure", leased_until=None, error=LOST)
    )
    found = session.exec(
        select(Announcement, Channel)
        .join(Channel, col(Channel.id) == col(Announcement.channel_id))
        .where(waits(Announcement, now))
        .order_by(col(Announcement.attempts), col(Announcement.next_try_at), col(Announcement.id))
        .limit(limit)
        .with_for_update(skip_locked=True, of=Announcement)
    ).all()
    parcels = []
    for row, channel in found:
        if not channel.active:
            row.state, row.error = "failed", "the channel was removed"
        else:
            row.state, row.leased_until, row.attempts = "sending", now + LEASE, row.attempts + 1
            parcels.append(
                Parcel(row.id or 0, channel.kind, channel.target, row.subject, row.body, row.attempts)
            )
        session.add(row)
    return parcels


def mark(session: Session, parcel: Parcel, problem: NotSent | None, now: datetime) -> None:
    """Write down how a send ended. A row that meanwhile counts as unsure (its lease ran out) learns the truth as well."""
    session.connection().execute(
        update(Announcement)
        .where(
            col(Announcement.id) == parcel.id,
            col(Announcement.state).in_(("sending", "unsure")),
            col(Announcement.attempts) == parcel.attempts,
        )
        .values(leased_until=None, **outcome(problem, parcel.attempts, now))
    )
    beat(session)


def deliver_due(db: Database, config: Config, clock: Clock) -> int:
    """Send what is due, side by side, each outside any unit of work; returns how many were tried."""
    with db.reading() as session:
        if not _something_due(session, clock()):
            return 0
    with db.writing() as session:
        parcels = lease(session, clock())
    if not parcels:
        return 0
    with ThreadPoolExecutor(len(parcels), "announce") as pool:
        list(pool.map(lambda parcel: _deliver(db, config, clock, parcel), parcels))
    return len(parcels)


def _something_due(session: Session, now: datetime) -> bool:
    """Whether a row waits or has lost its sender; most steps find none and need no unit of work."""
    return (
        session.exec(
            select(Announcement.id).where(or_(waits(Announcement, now), lost(Announcement, now))).limit(1)
        ).first()
        is not None
    )


def _deliver(db: Database, config: Config, clock: Clock, parcel: Parcel) -> None:
    problem = None
    try:
        send(config, parcel.kind, parcel.target, parcel.subject, parcel.body)
    except NotSent as error:
        problem = error
    with db.writing() as session:
        mark(session, parcel, problem, clock())
    log.info("announcement %s, try %s: %s", parcel.id, parcel.attempts, problem or "sent")


# ---------------------------------------------------------------- sending


def send(config: Config, kind: str, target: str, subject: str, text: str) -> None:
    """Send one message to one channel; returns when it was taken. Raises NotSent; its text holds no secret."""
    if kind == "email":
        send_mail(config, target.split(", "), subject, text)
        return
    parcel = {"url": target, "subject": clean_subject(subject), "text": text}
    # Its own start, one step more than the question itself, and the pause that Apprise makes between a long text's parts.
    most = 2 * config.announce.timeout + 15 + 8 * (len(text) // 1000)
    outcome = _ask_courier(config, parcel, most)
    if outcome["outcome"] != "sent":
        raise NotSent(outcome["error"], lasting=outcome["lasting"], unsure=outcome["outcome"] == "unsure")


def reach(config: Config, url: str) -> str:
    """Whether a chat service's address is allowed and its host answers; no message is sent. Raises NotSent."""
    outcome = _ask_courier(config, {"url": url, "reach": True}, 2 * config.announce.timeout + 15)
    if outcome["outcome"] != "sent":
        raise NotSent(WHY_NOT.get(outcome["error"], outcome["error"]))
    return f"{outcome['host']} answers"


def _ask_courier(config: Config, parcel: dict[str, Any], most: int) -> Any:
    """Run the courier with one parcel, for at most so many seconds, and read what it says."""
    from leaderboard.announcements import courier  # it loads httpx, of which nobody has need before

    announce = config.announce
    rules = {"schemas": announce.schemas, "hosts": announce.hosts, "timeout": announce.timeout}
    try:
        done = subprocess.run(
            [sys.executable, "-I", courier.__file__],
            input=json.dumps(parcel | rules).encode(),
            capture_output=True,
            timeout=most,
            env={name: value for name, value in os.environ.items() if ENVIRONMENT.fullmatch(name)},
        )
    except subprocess.TimeoutExpired:
        raise NotSent(f"the service did not come to an end within {most} seconds", unsure=True) from None
    try:
        return decode_json(done.stdout.strip().splitlines()[-1])
    except (Invalid, IndexError):
        raise NotSent(
            f"sending ended without a result (exit status {done.returncode})", unsure=True
        ) from None
