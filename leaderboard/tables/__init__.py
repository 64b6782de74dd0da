"""Every table, in the order data reaches them.

Table classes do not validate (SQLModel leaves that to input models), so each closed list is a CHECK constraint here
and a strict input model at the edge. Points are integers, times are aware UTC, enumerations are short text.
"""

from leaderboard.tables.base import COMPANY, EVERY, WITNESSES, is_uid, new_uid
from leaderboard.tables.corrections import Merge, MergedCredit, PastWithdrawal, Reversal
from leaderboard.tables.deliveries import CAUSES, PULL_CAUSES, Backfill, Delivery, Event, Refusal, Source
from leaderboard.tables.ledger import Credit, PointsEntry, Pulse, RulesVersion, Score, Tally
from leaderboard.tables.notices import SORTS, WAYS, Letter, Notice, NoticeCursor, NoticeWay, Picture
from leaderboard.tables.people import (
    Act,
    Identity,
    Invitation,
    Person,
    SignedIn,
    Team,
    TeamLead,
    Token,
    WebAuthn,
)
from leaderboard.tables.stories import CoSign, FollowUp, Nomination, Nominee, Promise, PromiseMove
from leaderboard.tables.week import Announcement, Channel, ClosedWeek, Heartbeat, Recognition

__all__ = [
    "CAUSES",
    "COMPANY",
    "EVERY",
    "PULL_CAUSES",
    "SORTS",
    "WAYS",
    "WITNESSES",
    "Act",
    "Announcement",
    "Backfill",
    "Channel",
    "ClosedWeek",
    "CoSign",
    "Credit",
    "Delivery",
    "Event",
    "FollowUp",
    "Heartbeat",
    "Identity",
    "Invitation",
    "Letter",
    "Merge",
    "MergedCredit",
    "Nomination",
    "Nominee",
    "Notice",
    "NoticeCursor",
    "NoticeWay",
    "PastWithdrawal",
    "Person",
    "Picture",
    "PointsEntry",
    "Promise",
    "PromiseMove",
    "Pulse",
    "Recognition",
    "Refusal",
    "Reversal",
    "RulesVersion",
    "Score",
    "SignedIn",
    "Source",
    "Tally",
    "Team",
    "TeamLead",
    "Token",
    "WebAuthn",
    "is_uid",
    "new_uid",
]
