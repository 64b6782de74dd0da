"""A colleague's story: told, judged, co-signed, shown on the wall. Accepted ones become events like any other fact.

PermissionError means that this person may not do this to that story; LookupError that there is none, or none they may see.
"""

from leaderboard.nominations.co_signing import co_sign, co_signers, take_back
from leaderboard.nominations.judging import (
    accept,
    decline,
    hide,
    judged,
    judges,
    reopen,
    show,
    to_judge,
    withdraw,
)
from leaderboard.nominations.seeing import find, may_see
from leaderboard.nominations.telling import Telling, Told, edit, examine, nominate
from leaderboard.nominations.wall import Card, Wall, card, cards, mine, wall

__all__ = [
    "Card",
    "Telling",
    "Told",
    "Wall",
    "accept",
    "card",
    "cards",
    "co_sign",
    "co_signers",
    "decline",
    "edit",
    "examine",
    "find",
    "hide",
    "judged",
    "judges",
    "may_see",
    "mine",
    "nominate",
    "reopen",
    "show",
    "take_back",
    "to_judge",
    "wall",
    "withdraw",
]
