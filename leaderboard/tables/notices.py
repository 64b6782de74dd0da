"""What each person is told, how they wish to be told it, and the letters that carry it; and their picture."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.tables.base import one_of

SORTS = (
    "story",
    "cosign",
    "thanks",
    "judged",
    "won",
    "promise_due",
    "promise_confirmed",
    "to_confirm",
    "to_judge",
    "taken_back",
    "merged",
)
WAYS = ("at_once", "daily", "page", "off")


class Letter(SQLModel, table=True):
    """A mail to one person about what they were told: sent by lease and marked after. Its words are made when it is sent."""

    __table_args__ = (
        one_of("state", ("waiting", "sending", "sent", "unsure", "failed", "empty")),
        Index("ix_letter_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    created_at: datetime
    state: str = "waiting"
    attempts: int = 0
    next_try_at: datetime
    leased_until: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Notice(SQLModel, table=True):
    """Something that a person is told once. It holds no words: they are made of the thing that it is about."""

    __table_args__ = (
        UniqueConstraint("sort", "thing_id", "person_id"),
        one_of("sort", SORTS),
        one_of("state", ("new", "unread", "read", "gone")),
        Index("ix_notice_person_id_at", "person_id", "at"),
        Index("ix_notice_person_id_state", "person_id", "state"),
        Index("ix_notice_state_read_at", "state", "read_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    sort: str
    thing_id: int
    """The row it is about: a nomination, an event (thanks), a recognition, a promise, a reversal or a merge; 0 where it says
    how many wait."""
    many: int = 1
    """How many wait, where it says so."""
    at: datetime
    state: str = "new"
    """new and gone: the bell does not know yet."""
    read_at: datetime | None = None
    mail_at: datetime | None = Field(default=None, index=True)
    """When it wants to go into a letter; None: not, or it has gone into one."""
    letter_id: int | None = Field(default=None, foreign_key="letter.id", index=True)


class NoticeWay(SQLModel, table=True):
    """How a person wishes to be told one sort of thing, where they chose."""

    __tablename__ = "notice_way"
    __table_args__ = (one_of("sort", SORTS), one_of("way", WAYS))

    person_id: int = Field(foreign_key="person.id", primary_key=True)
    sort: str = Field(primary_key=True)
    way: str


class NoticeCursor(SQLModel, table=True):
    """Up to which event the clock has looked for what to tell."""

    __tablename__ = "notice_cursor"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    first_id: int
    """What was there before the clock first looked is no news."""
    event_id: int


class Picture(SQLModel, table=True):
    """A person's picture, as it is sent to browsers."""

    person_id: int = Field(
        foreign_key="person.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    type: str
    """image/jpeg, image/png or image/webp."""
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
