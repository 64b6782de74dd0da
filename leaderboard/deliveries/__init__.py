"""Receive, work through, replay, pull: from the outside world to events."""

from leaderboard.deliveries.bounds import Busy, Lanes, watch
from leaderboard.deliveries.listing import accounts, brought, is_account, listed
from leaderboard.deliveries.pulling import link_newcomers, match_accounts, pull, pull_due, pull_soon
from leaderboard.deliveries.receiving import Receipt, receive, refuse, replay, translate, work_through
from leaderboard.deliveries.retention import forget
from leaderboard.deliveries.status import SourceStatus, source_statuses, still_to_try, try_all_again, unlinked
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
    "Busy",
    "Lanes",
    "Preview",
    "Receipt",
    "Rotation",
    "SourceStatus",
    "accounts",
    "brought",
    "can_try",
    "forget",
    "is_account",
    "link_newcomers",
    "listed",
    "match_accounts",
    "newest",
    "preview",
    "pull",
    "pull_due",
    "pull_soon",
    "receive",
    "refuse",
    "replay",
    "rotations",
    "sample",
    "sample_names",
    "source_statuses",
    "still_to_try",
    "translate",
    "trial",
    "try_all_again",
    "unlinked",
    "watch",
    "work_through",
]
