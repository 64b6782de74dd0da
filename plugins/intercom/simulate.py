"""Bodies as Intercom would send them, for `leaderboard simulate intercom`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Best chat I have ever had with a company.",
    "She stayed with me until it worked.",
    "Thank you for calling the shop for us!",
    "Quick, kind and right.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    seconds, author = int(moment.timestamp()), {"type": "admin", "id": agent}
    what = random.choice(("rating", "rating", "closed", "replied", "article"))
    topic = {"rating": "conversation.rating.added", "article": "article.published"}.get(
        what, f"conversation.admin.{what}"
    )
    item: dict[str, Any] = {
        "type": "conversation",
        "id": str(700_000 + number),
        "contacts": {"contacts": [{"type": "contact", "id": f"contact-{number % 50}"}]},
        "admin_assignee_id": agent,
        "updated_at": seconds,
    }
    if what == "rating":
        words = random.choice((*WORDS, None))
        item["conversation_rating"] = {
            "rating": 5,
            "remark": words,
            "updated_at": seconds,
            "teammate": author,
        }
    elif what == "article":
        item = {
            "type": "article",
            "id": str(number + 1),
            "author_id": agent,
            "state": "published",
            "title": "Tips",
        }
    else:
        part = {
            "id": str(number + 1),
            "part_type": "close" if what == "closed" else "comment",
            "created_at": seconds,
        }
        item["conversation_parts"] = {"conversation_parts": [{**part, "author": author}]}
    body = {
        "type": "notification_event",
        "app_id": "simulated",
        "topic": topic,
        "id": f"notif_{number}",
        "created_at": seconds,
    }
    return json.dumps({**body, "data": {"item": item}}).encode(), {}
