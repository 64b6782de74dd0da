"""Bodies as Jira would send them, for `leaderboard simulate jira_service_management`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "You stayed late for us. Thank you!",
    "Nobody has ever explained it so well.",
    "The new laptop came before I had asked twice.",
    "Fixed, and kindly so.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000"
    what = random.choice(("thanks", "thanks", "solved", "answer", "note"))
    staff = {"accountId": agent, "accountType": "atlassian"}
    customer = {"accountId": f"customer-{number % 50}", "accountType": "customer"}
    fields: dict[str, Any] = {
        "assignee": {"accountId": "another"} if what == "note" else staff,
        "reporter": customer,
        "comment": {"comments": []},
    }
    body: dict[str, Any] = {"timestamp": int(moment.timestamp() * 1000), "webhookEvent": "jira:issue_updated"}
    body["issue"] = {"id": str(40_000 + number), "key": f"SUP-{number}", "fields": fields}
    if what in ("answer", "note"):
        comment = {"id": str(number + 1), "author": staff, "created": stamp, "jsdPublic": what == "answer"}
        body |= {"webhookEvent": "comment_created", "comment": comment}
    elif what == "solved":
        item = {"field": "status", "fromString": "In Progress", "toString": "Resolved"}
        body |= {"user": staff, "changelog": {"id": str(number), "items": [item]}}
    else:
        said = {"author": customer, "created": stamp, "body": random.choice(WORDS), "jsdPublic": True}
        fields["comment"] = {"comments": [said]}
        item = {"field": "labels", "fromString": "", "toString": "thanks"}
        body |= {"user": {"accountId": "lead"}, "changelog": {"id": str(number), "items": [item]}}
    return json.dumps(body).encode(), {}
