"""Bodies as Chatwoot would send them, for `leaderboard simulate chatwoot`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Thanks for staying so late with me.",
    "He found the page that I never would have.",
    "A chat with a human who cares!",
    "You solved in five minutes what took me a week.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    seconds = int(moment.timestamp())
    meta = {"sender": {"id": 900 + number % 50}, "assignee": {"id": agent}, "assignee_type": "User"}
    conversation: dict[str, Any] = {
        "id": 50_000 + number,
        "meta": meta,
        "updated_at": seconds,
        "status": "open",
    }
    what = random.choice(("survey", "survey", "survey", "answer", "note", "resolved"))
    body: dict[str, Any]
    if what == "survey":
        answer = {"rating": 5, "feedback_message": random.choice((*WORDS, ""))}
        attributes = {"submitted_values": {"csat_survey_response": answer}}
        survey = {"id": number + 1, "content_type": "input_csat", "content_attributes": attributes}
        body = {"event": "message_updated", **survey, "conversation": conversation}
    elif what == "resolved":
        body = {**conversation, "event": "conversation_status_changed", "status": "resolved"}
    else:
        if what == "note":
            meta["assignee"] = {"id": "another"}
        message = {
            "id": number + 1,
            "message_type": "outgoing",
            "private": what == "note",
            "created_at": seconds,
        }
        sender = {"id": agent, "type": "user"}
        body = {"event": "message_created", **message, "sender": sender, "conversation": conversation}
    return json.dumps(body).encode(), {}
