"""Bodies as ServiceNow's business rules would send them, for `leaderboard simulate servicenow`."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

WORDS = (
    "Thank you, my laptop is back before the meeting.",
    "She stayed on the line until it worked.",
    "He explained it to all of us.",
    "I was not left alone with it for a minute.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body; there are no headers besides the secret."""
    sys_id, customer = f"{number:032x}", f"{number % 50:032x}"
    now, due = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (moment, moment + timedelta(days=1)))
    what = random.choice(("survey", "survey", "solved", "promised", "helped"))
    ticket = {
        "sys_id": sys_id,
        "state": "2",
        "assigned_to": agent,
        "caller_id": customer,
        "sys_updated_on": now,
    }
    body: dict[str, Any] = {"extra_mile": "ticket", "ticket": ticket}
    if what == "survey":
        survey = {
            "instance": sys_id,
            "instance.user": customer,
            "instance.taken_on": now,
            "actual_value": "5",
        }
        about = {"instance.task_id": sys_id, "instance.task_id.assigned_to": agent}
        body = {"extra_mile": "rating", "rating": {**survey, **about}, "words": random.choice(WORDS)}
    elif what == "solved":
        ticket |= {"state": "6", "resolved_at": now}
    elif what == "promised":
        ticket |= {"due_date": due}
    else:
        ticket |= {"assigned_to": f"{1:032x}"}
        note = {"sys_id": sys_id, "element": "work_notes", "element_id": sys_id, "sys_created_by": "agent"}
        body["notes"] = [{**note, "author": agent, "sys_created_on": now}]
    return json.dumps(body).encode(), {}
