"""Bodies as Help Scout would send them, for `leaderboard simulate help_scout`."""

import json
from datetime import datetime
from random import Random

WORDS = (
    "You are a star, thank you.",
    "Clear, kind and to the point.",
    "I had given up before he wrote.",
    "She told me what she could not do, and who could.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    user = {"id": int(agent) if agent.isdigit() else agent, "email": agent, "type": "user"}
    stamp, what = f"{moment:%Y-%m-%dT%H:%M:%S}", random.choice(("thanks", "thanks", "good", "note", "reply"))
    if what in ("thanks", "good"):
        rating = {
            "id": number,
            "customer": {"id": 500 + number % 50, "email": f"customer-{number % 50}@example.com"},
            "threadId": 30_000_000 + number,
            "conversationId": 40_000_000 + number,
            "conversationNumber": number,
            "mailboxId": 85,
            "rating": "great",
            "user": user,
            "comments": random.choice(WORDS) if what == "thanks" else "",
            "createdAt": stamp,
        }
        return json.dumps(rating).encode(), {"X-HelpScout-Event": "satisfaction.ratings"}
    thread = {
        "id": 30_000_000 + number,
        "type": what,
        "status": "active",
        "state": "published",
        "author": user,
        "text": "Try the second switch.",
        "createdAt": f"{stamp}Z",
    }
    conversation = {
        "id": 40_000_000 + number,
        "number": number,
        "status": "active",
        "assignee": {"id": 999_999, "email": "owner@example.com", "firstName": "An", "lastName": "Owner"},
        "threads": [thread],
    }
    name = "convo.note.created" if what == "note" else "convo.agent.reply.created"
    return json.dumps(conversation).encode(), {"X-HelpScout-Event": name}
