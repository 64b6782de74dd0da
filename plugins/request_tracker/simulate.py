"""Bodies as the scrip in the README would send them, for `leaderboard simulate request_tracker`."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from leaderboard.plugin import iso

WORDS = (
    "Thank you for answering on a Sunday.",
    "You found what three others had given up.",
    "The new badge works, and so does my day.",
    "Please tell him how glad we are.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    customer = f"customer{number % 50}@example.org"
    told: dict[str, Any] = {"extra_mile": "transaction", "id": 90_000 + number, "at": iso(moment)}
    told |= {"ticket": 10_000 + number, "queue": "Support", "owner": agent, "by": agent}
    told |= {"customers": [customer], "customer": customer}
    what = random.choice(("thanks", "thanks", "resolved", "promised", "commented", "replied"))
    if what == "thanks":
        changed = {"type": "CustomField", "field": "Satisfaction", "old": "", "new": "Thanks"}
        told |= {**changed, "by": customer, "said": random.choice(WORDS), "said_type": "text/plain"}
    elif what == "resolved":
        told |= {"type": "Status", "field": "Status", "old": "open", "new": "resolved"}
    elif what == "promised":
        due = f"{moment + timedelta(days=1):%Y-%m-%d %H:%M:%S}"
        told |= {"type": "Set", "field": "Due", "old": "1970-01-01 00:00:00", "new": due}
    elif what == "commented":
        told |= {"type": "Comment", "owner": "lea"}
    else:
        told |= {"type": "Correspond"}
    return json.dumps(told).encode(), {}
