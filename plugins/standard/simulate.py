"""Bodies as a Standard Webhooks sender would send them, for `leaderboard simulate standard`."""

import json
from datetime import datetime, timedelta
from random import Random

WORDS = (
    "She found our luggage!",
    "He explained it twice without a sigh.",
    "You sent the part the same afternoon. Thank you.",
    "They told us honestly that we did not need the bigger plan.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    kind = random.choice(
        ("thanks.received", "thanks.received", "rating.good", "knowledge.shared", "promise.made")
    )
    data = {
        "key": f"sim-{number}",
        "agent": agent,
        "ticket": str(50_000 + number),
        "customer": f"customer-{number % 50}@example.com",
    }
    if kind == "thanks.received":
        data["text"] = random.choice(WORDS)
    if kind == "promise.made":
        data["due_at"] = _iso(moment + timedelta(hours=random.randint(2, 48)))
    return json.dumps({"type": kind, "timestamp": _iso(moment), "data": data}).encode(), {}


def trial(agent: str, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """A fact about this agent that earns nothing, to see whether deliveries arrive."""
    data = {"key": f"trial-{moment:%Y%m%d%H%M%S%f}", "agent": agent, "ticket": "trial"}
    return json.dumps({"type": "ticket.solved", "timestamp": _iso(moment), "data": data}).encode(), {}


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
