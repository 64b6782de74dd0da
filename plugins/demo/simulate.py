"""Bodies as Demo Desk would send them, for `leaderboard simulate demo`."""

import json
from datetime import datetime
from random import Random

WORDS = (
    "She stayed on the line until it worked.",
    "He found our order although the number was wrong.",
    "The best help I have had in years.",
    "They called back exactly when they said they would.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    what = random.choice(("thanks", "thanks", "good", "reply", "solved", "article"))
    fact = {
        "id": f"s{number}",
        "what": what,
        "agent": agent,
        "ticket": str(70_000 + number),
        "customer": f"customer-{number % 50}@example.com",
        "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    }
    if what == "thanks":
        fact["words"] = random.choice(WORDS)
    return json.dumps(fact).encode(), {}


def trial(agent: str, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """A fact about this agent that earns nothing, to see whether deliveries arrive."""
    fact = {"id": f"trial-{moment:%Y%m%d%H%M%S%f}", "what": "solved", "agent": agent, "ticket": "trial"}
    return json.dumps(fact | {"at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}).encode(), {}
