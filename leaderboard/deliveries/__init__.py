"""Receive, work through, replay, pull: from the outside world to events."""

from leaderboard.deliveries.listing import brought, listed
from leaderboard.deliveries.pulling import match_accounts, pull, pull_due
from leaderboard.deliveries.receiving import Receipt, receive, refuse, replay, translate, work_through
from leaderboard.deliveries.retention import forget
from leaderboard.deliveries.status import SourceStatus, source_statuses, unlinked

__all__ = [
    "Receipt",
    "SourceStatus",
    "brought",
    "forget",
    "listed",
    "match_accounts",
    "pull",
    "pull_due",
    "receive",
    "refuse",
    "replay",
    "source_statuses",
    "translate",
    "unlinked",
    "work_through",
]
