"""Fair play on the giver's side: what a colleague's story earns, decided once when it is told, and the reasons in words.

The receiver's side (caps, what earns once) is the ledger's. docs/fair-play.md explains every rule.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select

from leaderboard import people
from leaderboard.languages import grouped
from leaderboard.ledger import Share, rules_of
from leaderboard.plugin import Invalid
from leaderboard.points import FairPlay, Rules, part, share
from leaderboard.tables import CoSign, Nomination, Nominee, Person, Team
from leaderboard.weeks import Week

HASTE = timedelta(minutes=10)


@dataclass(frozen=True)
class Allowance:
    """How many of a giver's stories of one of their weeks earn points: how many there are, and how many are told."""

    week: Week
    of: int
    used: int

    @property
    def left(self) -> int:
        return max(0, self.of - self.used)


@dataclass(frozen=True)
class Worth:
    """What a story earns: each nominee's share by person id, and the earlier story that it joins, if it repeats one."""

    shares: Mapping[int, Share]
    joins_id: int | None = None

    @property
    def points(self) -> int:
        return sum(each.points for each in self.shares.values())

    @property
    def full(self) -> int:
        return sum(each.full for each in self.shares.values())

    @property
    def why(self) -> str:
        """A code of points.WHY that explains the whole: the reason of whoever gets least."""
        return min(self.shares.values(), key=lambda each: each.points).why


def rules_now(session: Session, person: Person, now: datetime) -> Rules:
    """The rules that hold in this person's present week."""
    return rules_of(session, _week_of(session, person, now))


def allowance(session: Session, giver: Person, now: datetime, *, without: int | None = None) -> Allowance:
    """How many scoring stories this giver has in the giver's week of `now`. `without` leaves one nomination out."""
    week = _week_of(session, giver, now)
    zones = people.zones(session.get_one(Team, giver.team_id))
    told = (
        select(func.count())
        .select_from(Nomination)
        .where(_told_by(accounts_of(session, [giver])), counts(), Nomination.worth > 0)
        .where(
            Nomination.nominated_at >= zones.begins_at(week), Nomination.nominated_at < zones.ends_at(week)
        )
        .where(Nomination.id != without if without else True)
    )
    return Allowance(week, rules_of(session, week).fair_play.allowance_per_week, session.exec(told).one())


def worth(
    session: Session,
    nominator: Person,
    nominees: Sequence[Person],
    story: str,
    now: datetime,
    *,
    without: int | None = None,
) -> Worth:
    """What this story earns each nominee, and why, if it is told at `now`. `without` leaves out the story that it replaces.

    First the points are shared, then each nominee's own factors apply, one after the other. To decide (not only to show) it,
    the caller holds the locks of `hold`.
    """
    rules = rules_now(session, nominator, now)
    fair = rules.fair_play
    full = share(rules.points.story_accepted, len(nominees))
    ids = [person.id or 0 for person in nominees]
    first = same_text(session, nominator, story, now, fair, without=without)
    if first is not None:
        return Worth(dict.fromkeys(ids, Share(0, full, "same_text")), first)
    if not allowance(session, nominator, now, without=without).left:
        return Worth(dict.fromkeys(ids, Share(0, full, "allowance_used")))
    before = _stories_before(session, nominator, nominees, now, fair, without)
    returned = _returned(session, nominator, nominees, now, fair)
    shares = {}
    for id_ in ids:
        points, why = full, "shared" if len(ids) > 1 else "full"
        if before[id_] > 1:
            points, why = part(points, fair.later_story_percent), "third_in_30_days"
        elif before[id_] == 1:
            points, why = part(points, fair.second_story_percent), "second_in_30_days"
        if points and id_ in returned:
            points, why = part(points, fair.return_percent), "return"
        shares[id_] = Share(points, full, why)
    return Worth(shares)


def hold(session: Session, nominator: Person, nominees: Iterable[Person]) -> set[str]:
    """The names to lock before `worth` decides: the giver's allowance, and each pair in both directions."""
    return {f"giver/{person.id}" for person in (nominator, *nominees)}


def refuse_haste(session: Session, nominator: Person, now: datetime) -> None:
    """Raise Invalid when this person has told as many stories in ten minutes as anybody may."""
    most = rules_now(session, nominator, now).fair_play.nominations_per_10_minutes
    told = select(Nomination.nominated_at).where(_told_by(accounts_of(session, [nominator])))
    recent = session.exec(told.where(Nomination.nominated_at > now - HASTE)).all()
    if len(recent) >= most:
        minutes = max(1, -(-int((sorted(recent)[-most] + HASTE - now).total_seconds()) // 60))
        raise Invalid(
            ngettext(
                "That was a lot of praise in a short time. Please wait %(num)s minute; your words stay here.",
                "That was a lot of praise in a short time. Please wait %(num)s minutes; your words stay here.",
                minutes,
            )
        )


def co_sign_scores(session: Session, nomination_id: int, fair: FairPlay) -> bool:
    """Whether one more co-sign of this story counts. The caller holds the story's row."""
    scoring = (
        select(func.count())
        .select_from(CoSign)
        .where(CoSign.nomination_id == nomination_id, col(CoSign.scores), col(CoSign.withdrawn_at).is_(None))
    )
    return session.exec(scoring).one() < fair.cosigns_per_story


def counts() -> ColumnElement[bool]:
    """The stories that use a giver's allowance: those that stand, and those taken back after they were accepted."""
    return or_(
        col(Nomination.state).in_(("waiting", "accepted")),
        and_(col(Nomination.state) == "withdrawn", col(Nomination.acceptances) > 0),
    )


# --- the same words again -----------------------------------------------------------------------------------


def same_text(
    session: Session,
    nominator: Person,
    story: str,
    now: datetime,
    fair: FairPlay,
    *,
    without: int | None = None,
) -> int | None:
    """The id of this giver's first story of the same or nearly the same words, if there is one in the last 30 days."""
    span = timedelta(days=fair.same_text_days)
    told = (
        select(Nomination.id, Nomination.story)
        .where(_told_by(accounts_of(session, [nominator])), counts())
        .where(Nomination.nominated_at > now - span, Nomination.nominated_at < now + span)
        .where(Nomination.id != without if without else True)
        .order_by(col(Nomination.nominated_at), col(Nomination.id))
    )
    words = plain(story)
    limit = fair.same_text_percent / 100
    return next((id_ for id_, other in session.exec(told) if alike(words, plain(other), limit)), None)


def plain(text: str) -> str:
    """The words without what can be changed and still say the same: case, accents' spelling, marks, spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(sign if sign.isalnum() else " " for sign in folded).split())


def alike(one: str, other: str, limit: float) -> bool:
    """Whether difflib finds two plain texts alike by at least `limit` (0 to 1)."""
    if one == other:
        return True
    # Threes of letters first, for thrift: a letter put in spoils two and brings three, so texts that share few are not alike.
    threes, others = _threes(one), _threes(other)
    shared = (threes & others).total() * 2 / max(1, threes.total() + others.total())
    if shared < 1 - 5 * (1 - limit):
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= limit and matcher.ratio() >= limit


def _threes(text: str) -> Counter[str]:
    return Counter(text[start : start + 3] for start in range(len(text) - 2))


# --- earlier stories ----------------------------------------------------------------------------------------


def accounts_of(session: Session, persons: Iterable[Person]) -> dict[int, int]:
    """Every account of these people by its id, with the id of the person it is now: who was merged is still the same giver."""
    found: dict[int, int] = {person.id or 0: person.id or 0 for person in persons}
    news: Collection[int] = list(found)
    while news:
        merged = select(Person.id, Person.merged_into_id).where(col(Person.merged_into_id).in_(news))
        added = {id_: found[into] for id_, into in session.exec(merged) if id_ and into and id_ not in found}
        found |= added
        news = list(added)
    return found


def _stories_before(
    session: Session,
    nominator: Person,
    nominees: Sequence[Person],
    now: datetime,
    fair: FairPlay,
    without: int | None,
) -> Counter[int]:
    """How many scoring stories this giver told about each of these people in the last 30 days."""
    receivers = accounts_of(session, nominees)
    span = timedelta(days=fair.repeat_days)
    told = (
        select(Nominee.person_id)
        .join(Nomination, col(Nomination.id) == Nominee.nomination_id)
        .where(_told_by(accounts_of(session, [nominator])), counts())
        .where(Nomination.nominated_at > now - span, Nomination.nominated_at < now + span)
        .where(col(Nominee.person_id).in_(receivers), Nominee.share > 0)
        .where(Nomination.id != without if without else True)
    )
    return Counter(receivers[person_id] for person_id in session.exec(told))


def _returned(
    session: Session, nominator: Person, nominees: Sequence[Person], now: datetime, fair: FairPlay
) -> set[int]:
    """Which of these people told a story about the nominator in the last 7 days."""
    givers = accounts_of(session, nominees)
    told = (
        select(Nomination.nominator_id)
        .join(Nominee, col(Nominee.nomination_id) == Nomination.id)
        .where(_told_by(givers), counts(), col(Nominee.person_id).in_(accounts_of(session, [nominator])))
        .where(
            Nomination.nominated_at > now - timedelta(days=fair.return_days), Nomination.nominated_at <= now
        )
    )
    return {givers[person_id] for person_id in session.exec(told)}


def _told_by(accounts: Collection[int]) -> ColumnElement[bool]:
    return col(Nomination.nominator_id).in_(accounts)


def _week_of(session: Session, person: Person, now: datetime) -> Week:
    return people.zones(session.get_one(Team, person.team_id)).week_of(now)


# --- what people write --------------------------------------------------------------------------------------

UNSEEN = {"Cf", "Mn", "Me", "Cc", "Cs", "Cn", "Co"}
HANGUL_FILLERS = "\u115f\u1160\u3164\uffa0"


def clean_text(text: str, field: str, most: int, *, least: int = 0, lines: bool = True) -> str:
    """What a person wrote, as it is stored: NFC, without spaces around it, lines ended by LF. Raises Invalid.

    `least` counts what can be seen, so that invisible characters do not fill a story; `lines` False makes it one line.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    if not lines:
        text = text.replace("\n", " ").replace("\t", " ")
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t":
            raise Invalid(
                _(
                    "There is a character in it that cannot be shown. Write it by hand or paste it as plain text."
                ),
                field,
            )
    text = text.strip()
    if len(text) > most:
        raise Invalid(
            _(
                "It has %(length)s characters; at most %(most)s fit.",
                length=grouped(len(text)),
                most=grouped(most),
            ),
            field,
        )
    seen = len(" ".join("".join(sign for sign in text if _is_seen(sign)).split()))
    if seen < least == 1:
        raise Invalid(_("Please fill this in."), field)
    if seen < least:
        missing = least - seen
        raise Invalid(
            ngettext(
                "Tell a little more: %(num)s character to go. What did they do, and for whom?",
                "Tell a little more: %(num)s characters to go. What did they do, and for whom?",
                missing,
            ),
            field,
        )
    return text


def _is_seen(sign: str) -> bool:
    return unicodedata.category(sign) not in UNSEEN and sign not in HANGUL_FILLERS
