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
    may_judge,
    may_undo,
    reopen,
    show,
    to_judge,
    undo,
    waiting_for,
    withdraw,
)
from leaderboard.nominations.seeing import about, find, may_see, shown_to, told_by
from leaderboard.nominations.stories import nominees_of as starring
from leaderboard.nominations.stories import now_known_as, people_in, starring_in
from leaderboard.nominations.telling import MAX_NAMED, Telling, Told, edit, examine, judging_team, nominate
from leaderboard.nominations.wall import Card, Wall, card, cards, mine, newest, wall

__all__ = [
    "MAX_NAMED",
    "Card",
    "Telling",
    "Told",
    "Wall",
    "about",
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
    "judging_team",
    "may_judge",
    "may_see",
    "may_undo",
    "mine",
    "newest",
    "nominate",
    "now_known_as",
    "people_in",
    "reopen",
    "show",
    "shown_to",
    "starring",
    "starring_in",
    "take_back",
    "to_judge",
    "told_by",
    "undo",
    "waiting_for",
    "wall",
    "withdraw",
]
