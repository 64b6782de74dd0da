"""People, teams, how they sign in, and which account in which tool they are."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint, true
from sqlalchemy.ext.mutable import MutableList
from sqlmodel import Field, Relationship, SQLModel

from leaderboard.optional import without
from leaderboard.tables.base import new_uid, one_of

with without("authlib"):  # for a single sign-on that is not ours (web/sign_in); half of its time to load
    from flask_security import UserMixin, WebAuthnMixin


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
    board: bool = Field(default=True, index=True)
    """Whether it has one; the company's asks for those that have none."""
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
        UniqueConstraint("oidc_issuer", "oidc_subject"),
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
    on_screens: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Whether a screen in the office may show them, too, as far as `visibility` lets everybody see them."""
    picture: str | None = None
    """The fingerprint of their picture, by which browsers keep it; None shows initials."""
    unread: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """What the bell says: counted by the clock and by reading, so that no page has to ask."""
    away_from: date | None = None
    away_until: date | None = None
    merged_into_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    created_at: datetime
    changed_at: datetime

    # What Flask-Security keeps about signing in.
    password: str | None = None
    fs_uniquifier: str = Field(default_factory=new_uid, unique=True)
    """Changing it ends every session."""
    confirmed_at: datetime | None = None
    tf_primary_method: str | None = None
    tf_totp_secret: str | None = None
    tf_phone_number: str | None = None
    tf_last_counter: int | None = None
    """The half minute of the code that was used last: each works once."""
    mf_recovery_codes: list[str] | None = Field(
        default=None, sa_column=Column(MutableList.as_mutable(JSON()), nullable=True)
    )
    fs_webauthn_user_handle: str | None = Field(default=None, unique=True)  # type: ignore[assignment]
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


class SignedIn(SQLModel, table=True):
    """A session of a person in a browser: signing out deletes the row, and a kept cookie is worth nothing then."""

    __tablename__ = "signed_in"

    key: str = Field(primary_key=True)
    """SHA-256 of the secret in the session's cookie."""
    person_id: int = Field(foreign_key="person.id", index=True)
    began_at: datetime
    ends_at: datetime


class WebAuthn(SQLModel, WebAuthnMixin, table=True):
    """A passkey of a person, in the columns that Flask-Security names."""

    id: int | None = Field(default=None, primary_key=True)  # type: ignore[assignment]
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


class Invitation(SQLModel, table=True):
    """A letter to somebody who never came in, or the wish for one; the clock sends it. Its row goes when they come."""

    __table_args__ = (
        one_of("state", ("waiting", "sent", "failed")),
        Index("ix_invitation_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", unique=True)
    subject: str
    body: str = Field(sa_column=Column(Text, nullable=False))
    """The text, with a mark where the link will stand: the link itself is kept nowhere."""
    state: str = "waiting"
    attempts: int = 0
    created_at: datetime
    created_by: int | None = Field(default=None, foreign_key="person.id")
    next_try_at: datetime
    sent_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


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
    unlinked_at: datetime | None = None
    """When somebody said that it is not this person: then nothing links it by itself."""
    unlinked_by: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime


class Act(SQLModel, table=True):
    """What somebody did to more than themselves and their team: the trail that an admin finds on /admin."""

    __table_args__ = (Index("ix_act_source_id", "source", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    done_at: datetime
    done_by: int | None = Field(default=None, foreign_key="person.id")
    """None: the clock, or a command."""
    what: str
    """A short name, as "freeze"; what it is called on a page stands in acts.WORDS."""
    source: str | None = None
    """The source it was done to, where it was one."""
    detail: str = ""
    """Names and numbers of the case, as "30 days" or a handle."""
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The reason that was given."""
