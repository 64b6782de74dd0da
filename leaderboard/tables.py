"""Every table, in the order data reaches them.

Table classes do not validate (SQLModel leaves that to input models), so each closed list is a CHECK constraint here
and a strict input model at the edge. Points are integers, times are aware UTC, enumerations are short text.
"""

import uuid
from datetime import date, datetime
from typing import Any

from flask_security import UserMixin
from sqlalchemy import JSON, CheckConstraint, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.ext.mutable import MutableList
from sqlmodel import Field, Relationship, SQLModel

from leaderboard.guidelines import BY_SLUG
from leaderboard.plugin import KINDS

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

WITNESSES = ("colleague", "customer", "promise", "work")
COMPANY = 0
"""The `team_id` of a score that counts for the whole company."""
EVERY = ""
"""The `guideline` of a score that counts all five."""


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A closed list, kept by the database."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def new_uid() -> str:
    """A name for a row that tells nothing about it and can stand in an address."""
    return uuid.uuid4().hex


# --- people -----------------------------------------------------------------------------------------------


class Team(SQLModel, table=True):
    """A team: its zone makes its weeks, its settings decide how it judges, shows and announces."""

    __table_args__ = (one_of("accepts", ("lead", "at_once")),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    slug: str = Field(unique=True)
    timezone: str
    next_timezone: str | None = None
    next_timezone_from: str | None = None
    """The week from which `next_timezone` holds."""
    first_week: str
    """The first week that can be closed; facts older than it count when they arrive."""
    accepts: str = "lead"
    """Whether a lead accepts a story first, or it counts at once."""
    board: bool = True
    autopilot: bool = False
    """Announce by the clock what the lead has not announced, a day after closing."""
    closes_at: str | None = None
    """The hour ("09:00") at which an ended week closes; None takes `[week] closes_at`."""
    created_at: datetime


class Person(SQLModel, UserMixin, table=True):
    """Somebody who gives, receives, leads or administers. Also the user that Flask-Security knows."""

    __table_args__ = (
        one_of("role", ("member", "lead", "admin")),
        one_of("visibility", ("on", "alias", "team", "off")),
    )

    id: int | None = Field(default=None, primary_key=True)  # type: ignore[assignment]
    uid: str = Field(default_factory=new_uid, unique=True)
    name: str
    handle: str = Field(unique=True)
    email: str = Field(unique=True)
    """Lower case, normalised."""
    team_id: int = Field(foreign_key="team.id", index=True)
    role: str = "member"
    timezone: str | None = None
    """For display only; None shows the team's."""
    locale: str | None = None
    theme: str | None = None
    joined_on: date | None = None
    active: bool = True
    bot: bool = False
    alias: str | None = None
    visibility: str = "on"
    """on: everyone; alias: boards show the alias; team: only the own team; off: not ranked and not shown on boards."""
    away_from: date | None = None
    away_until: date | None = None
    merged_into_id: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime
    changed_at: datetime

    # What Flask-Security keeps about signing in.
    password: str | None = None  # type: ignore[assignment]
    fs_uniquifier: str = Field(default_factory=new_uid, unique=True)
    """Changing it ends every session."""
    confirmed_at: datetime | None = None
    tf_primary_method: str | None = None
    tf_totp_secret: str | None = None
    tf_phone_number: str | None = None
    mf_recovery_codes: list[str] | None = Field(
        default=None, sa_column=Column(MutableList.as_mutable(JSON()), nullable=True)
    )
    fs_webauthn_user_handle: str | None = Field(default=None, unique=True)
    webauthn: list["WebAuthn"] = Relationship(  # type: ignore[assignment]
        back_populates="user", sa_relationship_kwargs={"cascade": "all, delete-orphan"}
    )
    oidc_issuer: str | None = None
    oidc_subject: str | None = None


class TeamLead(SQLModel, table=True):
    """Who leads which team; one person may lead several."""

    __tablename__ = "team_lead"

    team_id: int = Field(foreign_key="team.id", primary_key=True)
    person_id: int = Field(foreign_key="person.id", primary_key=True, index=True)


class WebAuthn(SQLModel, table=True):
    """A passkey of a person, in the columns that Flask-Security names."""

    id: int | None = Field(default=None, primary_key=True)
    credential_id: bytes = Field(sa_column=Column(LargeBinary(1024), unique=True, nullable=False))
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sign_count: int = 0
    transports: list[str] | None = Field(
        default=None, sa_column=Column(MutableList.as_mutable(JSON()), nullable=True)
    )
    backup_state: bool = False
    device_type: str = ""
    extensions: str | None = None
    name: str
    usage: str
    create_datetime: datetime
    lastuse_datetime: datetime
    user_id: int = Field(foreign_key="person.id", index=True)
    user: Person = Relationship(back_populates="webauthn")

    def get_user_mapping(self) -> dict[str, Any]:
        """How Flask-Security finds the person of this passkey."""
        return {"id": self.user_id}


class Token(SQLModel, table=True):
    """An API token of a person; only its hash is kept."""

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    name: str
    hash: str = Field(unique=True)
    scopes: str
    """Space-separated: read write admin."""
    epoch: str
    """The person's `fs_uniquifier` when it was made: log-out everywhere, password and role changes end it too."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Identity(SQLModel, table=True):
    """This account in this tool is that person; without a person it waits on /admin to be linked."""

    __table_args__ = (UniqueConstraint("source", "account"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    account: str
    """The tool's account id, or an address where it names agents by address."""
    email: str | None = None
    name: str | None = None
    bot: bool = False
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    linked_at: datetime | None = None
    linked_by: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime


# --- from the outside world to events ---------------------------------------------------------------------


class Delivery(SQLModel, table=True):
    """One webhook call as it came. Pending and failed ones are tried again by the clock."""

    __table_args__ = (
        one_of("state", ("pending", "done", "ignored", "failed")),
        Index("ix_delivery_source_received_at", "source", "received_at"),
        Index("ix_delivery_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    received_at: datetime
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    headers: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    url: str = ""
    state: str
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    events: int = 0
    """How many new events it brought."""
    repeated: int = 0
    """How many of its events were known already."""
    attempts: int = 1
    next_try_at: datetime | None = None
    worked_at: datetime | None = None


class Source(SQLModel, table=True):
    """What we know of a configured source: its cursor, its last pull, and how often it was refused."""

    name: str = Field(primary_key=True)
    cursor: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    pulled_at: datetime | None = None
    """When a pull last reached its end."""
    pull_started_at: datetime | None = None
    pull_failures: int = 0
    pull_error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    next_pull_at: datetime | None = None
    refused: int = 0
    refused_at: datetime | None = None
    refused_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    accounts_at: datetime | None = None


class Event(SQLModel, table=True):
    """One normalised fact. Everything that earns is an event; (source, key) makes it unique for ever."""

    __table_args__ = (
        UniqueConstraint("source", "key"),
        one_of("kind", KINDS),
        one_of("guideline", tuple(BY_SLUG)),
        Index("ix_event_object", "source", "object"),
        Index("ix_event_ticket", "source", "ticket", "occurred_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    key: str
    kind: str
    guideline: str | None = None
    occurred_at: datetime
    posted_at: datetime
    giver_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    giver: str | None = None
    """The giver's account in the tool."""
    customer: str | None = None
    customer_key: str | None = None
    """What stays of the customer for the rules: a hash."""
    object: str | None = None
    ticket: str | None = None
    due_at: datetime | None = None
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    url: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    evidence: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    delivery_id: int | None = Field(default=None, foreign_key="delivery.id")


# --- the ledger -------------------------------------------------------------------------------------------


class Credit(SQLModel, table=True):
    """One receiver of one event: who, in which team and week it counts, and what it earns as things stand."""

    __table_args__ = (
        UniqueConstraint("event_id", "agent"),
        Index("ix_credit_person_week", "person_id", "week", "customer_key"),
        Index("ix_credit_person_day", "person_id", "kind", "counts_on"),
    )

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="event.id")
    kind: str
    agent: str
    """The account in the tool, or the person's uid where the event is our own."""
    identity_id: int | None = Field(default=None, foreign_key="identity.id", index=True)
    person_id: int | None = Field(default=None, foreign_key="person.id")
    """None while the account is not linked to anybody."""
    team_id: int | None = Field(default=None, foreign_key="team.id")
    customer_key: str | None = None
    share: int | None = None
    """What the giver's side decided this is worth (stories); None: what the rules say of its kind."""
    full_share: int | None = None
    """What it would be worth without the giver's limits."""
    share_why: str | None = None
    counts_at: datetime | None = None
    counts_on: date | None = None
    """The local day of `counts_at` in the team's zone."""
    week: str | None = None
    late: bool = False
    """The week it happened in was closed already, so it counts in the open one."""
    rules_version: int | None = None
    withdrawn_by: int | None = Field(default=None, foreign_key="event.id")
    """The fact.withdrawn that took it back."""
    points: int = 0
    """What its live entry says."""
    entry_id: int | None = None
    """Its live entry in the ledger."""


class PointsEntry(SQLModel, table=True):
    """One line of the ledger. Never updated, never deleted: a triggers' matter on both databases."""

    __tablename__ = "points_entry"
    __table_args__ = (
        one_of("witness", WITNESSES),
        one_of("guideline", tuple(BY_SLUG)),
        CheckConstraint(
            "(reverses_id IS NULL AND points >= 0) OR (reverses_id IS NOT NULL AND points <= 0)", name="sign"
        ),
        Index("ix_points_entry_person", "person_id", "id"),
        Index("ix_points_entry_team_week", "team_id", "week"),
    )

    id: int | None = Field(default=None, primary_key=True)
    credit_id: int = Field(foreign_key="credit.id", index=True)
    event_id: int = Field(foreign_key="event.id")
    person_id: int = Field(foreign_key="person.id")
    team_id: int = Field(foreign_key="team.id")
    kind: str
    """As it earned: a good rating after an unhappy one is a rating.recovered."""
    witness: str
    guideline: str
    points: int
    full_points: int
    """What it would have earned without any limit."""
    why: str
    """A code of points.WHY."""
    week: str
    counts_on: date
    rules_version: int
    posted_at: datetime
    reverses_id: int | None = Field(default=None, foreign_key="points_entry.id", unique=True)


class Score(SQLModel, table=True):
    """Running sum of entries: company or team, person, period, guideline or all."""

    __table_args__ = (
        Index("ix_score_board", "team_id", "period", "guideline", "points", "person_id"),
        {"sqlite_with_rowid": False},
    )

    team_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    period: str = Field(primary_key=True)
    guideline: str = Field(primary_key=True)
    person_id: int = Field(
        primary_key=True, foreign_key="person.id", sa_column_kwargs={"autoincrement": False}
    )
    points: int


class Tally(SQLModel, table=True):
    """How much of a person's weekly caps is used, and the last fact counted: what makes the next one cost the same."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    person_id: int = Field(
        primary_key=True, foreign_key="person.id", sa_column_kwargs={"autoincrement": False}
    )
    week: str = Field(primary_key=True)
    colleague: int = 0
    customer: int = 0
    promise: int = 0
    work: int = 0
    last_at: datetime
    last_source: str
    last_key: str


class RulesVersion(SQLModel, table=True):
    """The numbers of the rules, valid from a week on."""

    __tablename__ = "rules_version"

    version: int | None = Field(default=None, primary_key=True)
    from_week: str
    """The first week they hold in; "" for version 1, which holds from the beginning."""
    points: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    fair_play: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    note: str = ""
    created_at: datetime
    created_by: int | None = Field(default=None, foreign_key="person.id")


class Pulse(SQLModel, table=True):
    """Counts changes that a board or page may show; in shards so that writers do not wait for each other."""

    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    beats: int


# --- stories, promises, thanks ----------------------------------------------------------------------------


class Nomination(SQLModel, table=True):
    """A colleague's story about colleagues."""

    __table_args__ = (
        one_of("state", ("waiting", "accepted", "declined", "withdrawn")),
        one_of("guideline", tuple(BY_SLUG)),
        Index("ix_nomination_state_at", "state", "nominated_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(default_factory=new_uid, unique=True)
    nominator_id: int = Field(foreign_key="person.id", index=True)
    team_id: int = Field(foreign_key="team.id", index=True)
    """The team whose lead judges it: the first nominee's."""
    guideline: str
    story: str = Field(sa_column=Column(Text, nullable=False))
    customer: str | None = None
    happened_on: date | None = None
    nominated_at: datetime
    edited_at: datetime | None = None
    state: str = "waiting"
    worth: int
    """What it earns in all, decided once when it was told; shared by the nominees."""
    full_worth: int
    worth_why: str
    """A code of points.WHY."""
    joins_id: int | None = Field(default=None, foreign_key="nomination.id")
    """The earlier story of the same words by the same nominator."""
    judged_at: datetime | None = None
    judged_by: int | None = Field(default=None, foreign_key="person.id")
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """Why it was declined; the nominator sees it."""
    withdrawn_at: datetime | None = None
    acceptances: int = 0
    """How often it was accepted: part of its event's key, so that an undone decision can be taken again."""
    cosigns: int = 0


class Nominee(SQLModel, table=True):
    """Somebody a story is about, in the order the nominator named them."""

    nomination_id: int = Field(foreign_key="nomination.id", primary_key=True)
    person_id: int = Field(foreign_key="person.id", primary_key=True, index=True)
    position: int
    hidden_at: datetime | None = None


class CoSign(SQLModel, table=True):
    """A colleague who says: yes, that is how it was."""

    __tablename__ = "co_sign"
    __table_args__ = (UniqueConstraint("nomination_id", "person_id"),)

    id: int | None = Field(default=None, primary_key=True)
    nomination_id: int = Field(foreign_key="nomination.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    signed_at: datetime


class Promise(SQLModel, table=True):
    """What, by when, who contacts the customer and when; then kept, moved in time, or missed."""

    __table_args__ = (
        one_of("state", ("open", "kept", "missed", "withdrawn")),
        one_of("confirmed_as", ("colleague", "customer", "helpdesk")),
        UniqueConstraint("source", "object"),
        Index("ix_promise_state_due", "state", "due_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(default_factory=new_uid, unique=True)
    source: str
    """`extra-mile` for our own, else the helpdesk's."""
    object: str
    """What its events name it by."""
    maker_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    what: str = Field(sa_column=Column(Text, nullable=False))
    customer: str | None = None
    ticket: str | None = None
    url: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    due_at: datetime
    contact: str | None = None
    """Who contacts the customer."""
    contact_at: datetime | None = None
    authorised_by: str | None = None
    made_at: datetime
    state: str = "open"
    kept_at: datetime | None = None
    note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    confirmed_as: str | None = None
    confirmed_by: int | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = None


class PromiseMove(SQLModel, table=True):
    """A promise moved in time: from when, to when, and whether the customer was told."""

    __tablename__ = "promise_move"

    id: int | None = Field(default=None, primary_key=True)
    promise_id: int = Field(foreign_key="promise.id", index=True)
    from_due_at: datetime
    to_due_at: datetime
    moved_at: datetime
    moved_by: int | None = Field(default=None, foreign_key="person.id")
    told: bool = False
    reason: str | None = None


class FollowUp(SQLModel, table=True):
    """An unhappy rating, followed up along Listen, Apologize, Solve, Thank. Costs nobody a point."""

    __tablename__ = "follow_up"
    __table_args__ = (one_of("state", ("open", "done")),)

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="event.id", unique=True)
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    opened_at: datetime
    state: str = "open"
    done_at: datetime | None = None
    done_by: int | None = Field(default=None, foreign_key="person.id")
    note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


# --- the week ---------------------------------------------------------------------------------------------


class ClosedWeek(SQLModel, table=True):
    """A team's week with its numbers frozen; announcing freezes the words."""

    __tablename__ = "closed_week"
    __table_args__ = (UniqueConstraint("team_id", "week"),)

    id: int | None = Field(default=None, primary_key=True)
    team_id: int = Field(foreign_key="team.id")
    week: str = Field(index=True)
    closed_at: datetime
    closed_by: int | None = Field(default=None, foreign_key="person.id")
    last_event_id: int
    """Facts known when it closed have this id or a lower one: what makes its outcome the same at every rebuild."""
    last_entry_id: int
    """Entries above it that touch this week are corrections."""
    numbers: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """Standings, stories and thanks as they were."""
    opening: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The lead's words above the winners."""
    huddle: int = 0
    """Which huddle card the week carries."""
    announced_at: datetime | None = None
    announced_by: int | None = Field(default=None, foreign_key="person.id")
    autopilot: bool = False
    """Announced by the clock."""


class Recognition(SQLModel, table=True):
    """A week's winner of a team in a category: why, and the words."""

    __table_args__ = (UniqueConstraint("closed_week_id", "category", "person_id"),)

    id: int | None = Field(default=None, primary_key=True)
    closed_week_id: int = Field(foreign_key="closed_week.id", index=True)
    category: str
    """A guideline's slug, or "crossed-the-aisle"."""
    person_id: int = Field(foreign_key="person.id", index=True)
    points: int
    witnesses: int
    reason: str = Field(sa_column=Column(Text, nullable=False))
    words: str = Field(sa_column=Column(Text, nullable=False))
    nomination_id: int | None = Field(default=None, foreign_key="nomination.id")
    drafted: bool = True
    """Drafted by the rules, not chosen by the lead."""
    dropped_at: datetime | None = None
    """The lead put somebody else in its place."""
    dropped_by: int | None = Field(default=None, foreign_key="person.id")
    dropped_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Channel(SQLModel, table=True):
    """Where a team's announcements go."""

    __table_args__ = (one_of("kind", ("email", "apprise")),)

    id: int | None = Field(default=None, primary_key=True)
    team_id: int = Field(foreign_key="team.id", index=True)
    kind: str
    name: str
    target: str = Field(sa_column=Column(Text, nullable=False))
    """Addresses, or an Apprise URL: a secret, shown to nobody again."""
    active: bool = True


class Announcement(SQLModel, table=True):
    """The outbox: one row per closed week and channel, sent by lease and marked after."""

    __table_args__ = (
        UniqueConstraint("closed_week_id", "channel_id"),
        one_of("state", ("waiting", "sending", "sent", "unsure", "failed")),
        Index("ix_announcement_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    closed_week_id: int = Field(foreign_key="closed_week.id")
    channel_id: int = Field(foreign_key="channel.id")
    subject: str
    body: str = Field(sa_column=Column(Text, nullable=False))
    state: str = "waiting"
    attempts: int = 0
    created_at: datetime
    next_try_at: datetime
    leased_until: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Heartbeat(SQLModel, table=True):
    """When each job of the clock last ran, and how it ended."""

    job: str = Field(primary_key=True)
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
