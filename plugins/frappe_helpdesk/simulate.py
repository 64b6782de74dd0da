"""Bodies as Frappe's webhooks would send them, for `leaderboard simulate frappe_helpdesk`."""

import json
from datetime import datetime
from random import Random
from typing import Any

from leaderboard.plugin import iso

WORDS = (
    "Thank you, it prints again!",
    "He stayed with me until every invoice was in.",
    "I had given up on that account, she had not.",
    "So quick that I thought it was a machine.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body; there are no headers besides the signature.

    Times say their zone, which Frappe's own do not: so that they are right whatever the site's is.
    """
    at, ticket = iso(moment), 4_000_000 + number
    what = random.choice(("thanks", "thanks", "good", "bad", "answer", "comment", "article"))
    doc: dict[str, Any] = {"name": f"{number:010x}", "creation": at}
    body: dict[str, Any] = {"extra_mile": what, "doc": doc}
    if what == "answer":
        doc |= {"reference_name": str(ticket), "sender": agent}
    elif what == "comment":
        doc |= {"reference_ticket": str(ticket), "commented_by": agent}
        body["assign"] = '["another@example.com"]'
    elif what == "article":
        doc |= {"title": "How it works", "author": agent, "status": "Published", "published_on": at}
    else:
        body["extra_mile"] = "ticket"
        doc |= {"name": ticket, "modified": at, "_assign": json.dumps([agent]), "status_category": "Open"}
        doc |= {"raised_by": f"customer-{number % 50}@example.com", "is_merged": 0}
        doc |= {"feedback_rating": 0.2 if what == "bad" else 1.0}
        doc |= {"feedback_extra": random.choice(WORDS) if what == "thanks" else ""}
    return json.dumps(body).encode(), {}
