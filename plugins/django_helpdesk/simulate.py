"""Bodies as django-helpdesk would send them, for `leaderboard simulate django_helpdesk`."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

WORDS = (
    "Thank you for staying on the phone with me.",
    "My printer and I are friends again!",
    "You were so patient with all of my questions.",
    "The new badge was here before I was.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    what = random.choice(("thanks", "thanks", "good", "closed", "note", "answer"))
    public, earlier = what == "answer", moment - timedelta(minutes=10)
    written: list[dict[str, Any]] = []
    if what in ("thanks", "good"):
        written = [
            {"user": agent, "comment": "We are at it.", "public": True, "date": earlier},
            {
                "user": None,
                "comment": random.choice(WORDS),
                "public": True,
                "date": earlier,
                "message_id": "<1@mail>",
            },
            {"user": "900", "comment": f"#{what}", "public": False, "date": moment},
        ]
    else:
        comment = "" if what == "closed" else "It was the cable."
        written = [{"user": agent, "comment": comment, "public": public, "date": moment}]
    for place, followup in enumerate(written):
        status = 3 if what == "closed" else None
        date = f"{followup['date']:%Y-%m-%dT%H:%M:%S.%fZ}"
        followup |= {"id": 10 * number + place + 1, "title": "Update", "new_status": status, "date": date}
    ticket = {
        "id": 40_000 + number,
        "title": "A question",
        "description": "How does it work?",
        "submitter_email": f"customer-{number % 50}@example.com",
        "assigned_to": "another" if what == "note" else agent,
        "status": 3 if what == "closed" else 1,
        "due_date": None,
        "followup_set": written,
    }
    body = {"ticket": ticket, "queue_slug": "desk", "followup_id": written[-1]["id"]}
    return json.dumps(body).encode(), {}
