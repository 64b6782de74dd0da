"""What only a pull from Zendesk brings: service levels, promised days, surveys, and what its webhooks lost."""

from datetime import datetime, timedelta
from typing import Any

from tests.plugins.tools import NOW, ZendeskTool, iso

ANA, BEN, CUSTOMER, COPIED = 7, 8, 900, 901
SHOWN = {"mailbox": frozenset({"thanks.received"})}
"""Kinds that come by another road than HTTP, and the tests of that plugin show."""
EVERYTHING: dict[str, Any] = {
    "sla_promises": ("reply_time", "requester_wait_time"),
    "promise_field": "360012345678",
    "help_center": True,
}


def furnish(tool: ZendeskTool) -> None:
    """Ana and Ben, agents, and a customer."""
    roles = {ANA: "agent", BEN: "admin", CUSTOMER: "end-user", COPIED: "end-user"}
    tool.users = [{"id": number, "role": role, "name": f"N{number}"} for number, role in roles.items()]


def ticket(tool: ZendeskTool, number: int, at: datetime, **more: Any) -> None:
    given = {"created_at": iso(NOW - timedelta(hours=9)), "requester_id": CUSTOMER, **more}
    tool.change(number, given.pop("status", "open"), at, **given)


def write(tool: ZendeskTool, number: int, comment: int, author: int, at: datetime, public: bool) -> None:
    child = {"id": comment, "event_type": "Comment", "type": "Comment", "author_id": author, "public": public}
    event = {"id": comment + 10_000, "ticket_id": number, "created_at": iso(at), "updater_id": author}
    tool.ticket_events.append({**event, "timestamp": int(at.timestamp()), "child_events": [child]})


def reopen(tool: ZendeskTool, number: int, at: datetime) -> None:
    child = {"id": 1, "event_type": "Change", "status": "open", "previous_value": "solved"}
    event = {"id": 20_000 + number, "ticket_id": number, "created_at": iso(at), "updater_id": CUSTOMER}
    tool.ticket_events.append({**event, "child_events": [child]})


def level(tool: ZendeskTool, number: int, what: str, at: datetime, **more: Any) -> None:
    event = {
        "id": len(tool.ticket_metric_events) + 1,
        "ticket_id": number,
        "metric": "reply_time",
        "instance_id": 1,
    }
    tool.ticket_metric_events.append({**event, "type": what, "time": iso(at), "deleted": False, **more})


def target(minutes: int, business_hours: bool = False) -> dict[str, Any]:
    policy = {"id": 3, "title": "Everybody", "description": None}
    return {"sla": {"target": minutes, "business_hours": business_hours, "policy": policy}}


def survey(tool: ZendeskTool, number: int, category: str, at: datetime, *words: str) -> None:
    times = {"created_at": iso(at), "updated_at": iso(at)}
    scale = {"id": "01RATING", "type": "rating_scale_numeric", "sub_type": "customer_satisfaction"}
    answers: list[dict[str, Any]] = [
        {"type": "rating_scale", "rating": 3, "rating_category": category, "question": scale, **times},
        {"type": "skipped", "question": {"id": "01REASON", "type": "closed_ended"}, **times},
    ]
    answers += [
        {"type": "open_ended", "value": text, "question": {"type": "open_ended"}, **times} for text in words
    ]
    subject = {"id": str(number), "type": "ticket", "zrn": f"zen:ticket:{number}"}
    response = {"id": f"01RESPONSE{len(tool.surveys)}", "responder_id": CUSTOMER, "expires_at": iso(NOW)}
    tool.surveys.append({**response, "subjects": [subject], "answers": answers})


def article(tool: ZendeskTool, number: int, at: datetime, **more: Any) -> None:
    times = {"created_at": iso(at), "updated_at": iso(at)}
    tool.articles.append(
        {"id": number, "author_id": ANA, "draft": False, "title": "Lost luggage", **times, **more}
    )


def show(tool: ZendeskTool) -> None:
    """One of each kind that webhooks do not bring."""
    hours = [NOW - timedelta(hours=number) for number in range(10)]
    furnish(tool)
    ticket(tool, 1, hours[1])
    level(tool, 1, "apply_sla", hours[8], **target(120))
    level(tool, 1, "fulfill", hours[7])
    level(tool, 1, "breach", hours[5], instance_id=2)
