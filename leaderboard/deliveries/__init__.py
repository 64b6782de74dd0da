"""Receive, work through, replay, pull: from the outside world to events."""

from leaderboard.deliveries import backfilling
from leaderboard.deliveries.backfilling import backfill_due, can_backfill
from leaderboard.deliveries.bounds import Busy, Lanes, watch
from leaderboard.deliveries.days import Day, by_day
from leaderboard.deliveries.freezing import Frozen, freeze, is_frozen, release
from leaderboard.deliveries.listing import accounts, brought, is_account, listed
from leaderboard.deliveries.pulling import link_newcomers, match_accounts, pull, pull_due, pull_soon
from leaderboard.deliveries.receiving import Receipt, receive, replay, translate, work_through
from leaderboard.deliveries.refusing import NOWHERE, Why, refusals, refuse, section_of
from leaderboard.deliveries.retention import forget
from leaderboard.deliveries.status import (
    Signals,
    SourceStatus,
    astray,
    signals,
    source_statuses,
    still_to_try,
    try_all_again,
    unlinked,
)
from leaderboard.deliveries.trying import (
    Preview,
    Rotation,
    can_try,
    newest,
    preview,
    rotations,
    sample,
    sample_names,
    trial,
)

__all__ = [
    "NOWHERE",
    "Busy",
    "Day",
    "Frozen",
    "Lanes",
    "Preview",
    "Receipt",
    "Rotation",
    "Signals",
    "SourceStatus",
    "Why",
    "accounts",
    "astray",
    "backfill_due",
    "backfilling",
    "brought",
    "by_day",
    "can_backfill",
    "can_try",
    "forget",
    "freeze",
    "is_account",
    "is_frozen",
    "link_newcomers",
    "listed",
    "match_accounts",
    "newest",
    "preview",
    "pull",
    "pull_due",
    "pull_soon",
    "receive",
    "refusals",
    "refuse",
    "release",
    "replay",
    "rotations",
    "sample",
    "sample_names",
    "section_of",
    "signals",
    "source_statuses",
    "still_to_try",
    "translate",
    "trial",
    "try_all_again",
    "unlinked",
    "watch",
    "work_through",
]
