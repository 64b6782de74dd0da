"""Promises to customers: what will be done, by when, who contacts them and when. Kept, moved in time, or missed.

Our own are made on /promises and become events like any other fact; a helpdesk's events are mirrored here. A promise that was
kept on its maker's word alone earns nothing until a colleague or a helpdesk's time stamp confirms it.
PermissionError: this person may not do this to that promise. LookupError: there is none, or none they may see.
"""

from leaderboard.promises.helpdesk import mirror, record
from leaderboard.promises.listing import listed
from leaderboard.promises.making import Making, confirm, keep, make, mark_missed, move, take_back
from leaderboard.promises.questions import (
    Standing,
    find,
    is_own,
    may_confirm,
    may_see,
    moves_of,
    of_person,
    of_team,
    standing,
    to_confirm,
    waiting_for,
)

__all__ = [
    "Making",
    "Standing",
    "confirm",
    "find",
    "is_own",
    "keep",
    "listed",
    "make",
    "mark_missed",
    "may_confirm",
    "may_see",
    "mirror",
    "move",
    "moves_of",
    "of_person",
    "of_team",
    "record",
    "standing",
    "take_back",
    "to_confirm",
    "waiting_for",
]
