"""Close a week, draft the winners, announce.

Closing freezes the numbers (one row per team and week decides, however many schedulers there are); announcing freezes
the words.
"""

from leaderboard.recognition.announcing import (
    Message,
    announce,
    announce_due,
    drop,
    may_undo_announcement,
    message,
    not_by,
    pick,
    save_words,
    standing_winners,
    take_back_drop,
    undo_announcement,
)
from leaderboard.recognition.closing import Waiting, close_week, closes_at, due, waiting
from leaderboard.recognition.drafting import CATEGORIES, CROSSED, category_name
from leaderboard.recognition.preparing import Choice, Preparation, preparation, to_prepare
from leaderboard.recognition.reading import (
    Correction,
    Place,
    TeamWeek,
    Told,
    WeekPage,
    Winner,
    closed_week,
    corrections,
    page_of_company,
    page_of_team,
    recent,
    standings_of,
    winners,
    winners_on_desk,
)

__all__ = [
    "CATEGORIES",
    "CROSSED",
    "Choice",
    "Correction",
    "Message",
    "Place",
    "Preparation",
    "TeamWeek",
    "Told",
    "Waiting",
    "WeekPage",
    "Winner",
    "announce",
    "announce_due",
    "category_name",
    "close_week",
    "closed_week",
    "closes_at",
    "corrections",
    "drop",
    "due",
    "may_undo_announcement",
    "message",
    "not_by",
    "page_of_company",
    "page_of_team",
    "pick",
    "preparation",
    "recent",
    "save_words",
    "standing_winners",
    "standings_of",
    "take_back_drop",
    "to_prepare",
    "undo_announcement",
    "waiting",
    "winners",
    "winners_on_desk",
]
