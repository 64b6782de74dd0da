"""Events -> points entries; reversals; the running scores beside them. `post` is the one door."""

from leaderboard.ledger.calendar import is_closed, open_week, record_rules, rules_of, week_of
from leaderboard.ledger.changing import change_rules, next_week, versions
from leaderboard.ledger.facts import Row, fact_of
from leaderboard.ledger.posting import Posted, Share, link, post
from leaderboard.ledger.recounting import outcomes
from leaderboard.ledger.settling import settle

__all__ = [
    "Posted",
    "Row",
    "Share",
    "change_rules",
    "fact_of",
    "is_closed",
    "link",
    "next_week",
    "open_week",
    "outcomes",
    "post",
    "record_rules",
    "rules_of",
    "settle",
    "versions",
    "week_of",
]
