"""Bodies as Crisp would send them, for `leaderboard simulate crisp`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Thank you, you stayed with me until it worked.",
    "She found my order in a minute!",
    "You made it easy.",
    "He even called me back.",
)
WEBSITE = "42286ab3-b29a-4fde-8538-da0ae501d825"


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signed ones."""
    stamp, session = int(moment.timestamp() * 1000), f"session_{number:08}"
    what = random.choice(("thanks", "thanks", "answer", "resolved"))
    message: dict[str, Any] = {"session_id": session, "from": "operator", "timestamp": stamp}
    message |= {"fingerprint": 150_000_000_000_000 + number, "user": {"type": "operator", "user_id": agent}}
    if what == "thanks":
        colleague = {"type": "operator", "user_id": "a-colleague"}
        note = {"type": "note", "content": f"#thanks {random.choice(WORDS)}", "mentions": [agent]}
        message |= {**note, "user": colleague}
    elif what == "answer":
        message |= {"type": "text", "content": "It is on its way."}
    else:
        message |= {"type": "event", "content": {"namespace": "state:resolved"}}
    body = {"website_id": WEBSITE, "event": "message:received", "data": message, "timestamp": stamp}
    return json.dumps(body).encode(), {}
