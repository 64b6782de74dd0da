"""Bodies as Zendesk would send them, for `leaderboard simulate zendesk`."""

import json
from datetime import datetime
from random import Random

WORDS = (
    "Problem solved in one call. Thank you!",
    "She noticed what I had overlooked.",
    "Friendly, quick and honest.",
    "He went and asked the warehouse for me.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    ticket, customer, stamp = str(20_000 + number), str(900_000 + number % 50), f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    what = random.choice(("thanks", "thanks", "good", "solved", "article"))
    if what in ("thanks", "good"):
        words = random.choice(WORDS) if what == "thanks" else ""
        rating = {
            "extra_mile": "rating",
            "rating": "good",
            "ticket": ticket,
            "agent": agent,
            "customer": customer,
        }
        return json.dumps({**rating, "comment": words, "at": stamp}).encode(), {}
    envelope = {
        "account_id": 100_001,
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "time": stamp,
        "zendesk_event_version": "2022-11-06",
    }
    if what == "article":
        article = {
            "type": "zen:event-type:article.published",
            "subject": f"zen:article:{number}",
            "detail": {"id": str(number), "brand_id": "1"},
            "event": {"author_id": agent, "locale": "en-us", "title": "How to reset a password"},
        }
        return json.dumps({**envelope, **article}).encode(), {}
    solved = {
        "type": "zen:event-type:ticket.status_changed",
        "subject": f"zen:ticket:{ticket}",
        "detail": {
            "id": ticket,
            "actor_id": agent,
            "assignee_id": agent,
            "requester_id": customer,
            "status": "SOLVED",
            "updated_at": stamp,
        },
        "event": {"current": "SOLVED", "previous": "OPEN"},
    }
    return json.dumps({**envelope, **solved}).encode(), {}
