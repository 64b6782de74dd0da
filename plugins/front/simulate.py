"""Bodies as a Front application would send them, for `leaderboard simulate front`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Thank you, you thought of everything.",
    "He called me back from his way home.",
    "Please tell her that she made our week.",
    "I have never been looked after like this.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    mate = {"_meta": {"type": "teammate"}, "data": {"id": agent}}
    conversation: dict[str, Any] = {"id": f"cnv_{number}", "assignee": {"id": agent}, "custom_fields": {}}
    what = random.choice(("tag", "tag", "archive", "out_reply", "comment"))
    event: dict[str, Any] = {"id": f"evt_{number}", "type": what, "emitted_at": moment.timestamp()}
    if what == "tag":
        conversation["last_message"] = {"is_inbound": True, "text": random.choice(WORDS)}
        conversation["recipient"] = {"handle": f"customer-{number % 50}@example.com"}
        rule = {"_meta": {"type": "rule"}, "data": {"id": "rul_1"}}
        event |= {"source": rule, "target": {"_meta": {"type": "tag"}, "data": {"name": "thanks"}}}
    elif what == "archive":
        event["source"] = mate
    else:
        if what == "comment":
            conversation["assignee"] = {"id": "another"}
        about = {"id": f"of_{number}", "author": {"id": agent}}
        event |= {"source": mate, "target": {"_meta": {"type": "message"}, "data": about}}
    body = {
        "type": what,
        "authorization": {"id": "cmp_1"},
        "payload": {**event, "conversation": conversation},
    }
    return json.dumps(body).encode(), {}
