"""Close a week, draft the winners, announce.

Closing freezes the numbers (one row per team and week decides, however many schedulers there are); announcing freezes
the words.
"""

from leaderboard.recognition.announcing import (
    CROSSED,
    Message,
    announce,
    announce_due,
    drop,
    message,
    not_by,
    pick,
    save_words,
    standing_winners,
    take_back_drop,
)
from leaderboard.recognition.closing import Waiting, close_week, closes_at, due, waiting
from leaderboard.recognition.reading import (
    TeamWeek,
    WeekPage,
    Winner,
    corrections,
    page_of_company,
    page_of_team,
    recent,
    winners,
)

__all__ = [
    "CROSSED",
    "Message",
    "TeamWeek",
    "Waiting",
    "WeekPage",
    "Winner",
    "announce",
    "announce_due",
    "close_week",
    "closes_at",
    "corrections",
    "drop",
    "due",
    "message",
    "not_by",
    "page_of_company",
    "page_of_team",
    "pick",
    "recent",
    "save_words",
    "standing_winners",
    "take_back_drop",
    "waiting",
    "winners",
]
