"""Notices: what a person is told, in the page and by mail as they wish. Each is told once, and goes when its thing goes."""

from leaderboard.notices.choosing import (
    DEFAULTS,
    SORT_NAMES,
    UNDO_FOR,
    choose,
    no_more_mail,
    sorts_of,
    ways_of,
    willing,
)
from leaderboard.notices.finding import Found, look
from leaderboard.notices.reading import Said, described, forget, listed, opened, read_all, sentence
from leaderboard.notices.telling import drop, drop_all, ring, rings, stand, stands, tell, tell_again

__all__ = [
    "DEFAULTS",
    "SORT_NAMES",
    "UNDO_FOR",
    "Found",
    "Said",
    "choose",
    "described",
    "drop",
    "drop_all",
    "forget",
    "listed",
    "look",
    "no_more_mail",
    "opened",
    "read_all",
    "ring",
    "rings",
    "sentence",
    "sorts_of",
    "stand",
    "stands",
    "tell",
    "tell_again",
    "ways_of",
    "willing",
]
