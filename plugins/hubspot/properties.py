"""Reads HubSpot's properties: their history, and the several ways in which they write a moment."""

from datetime import datetime, time
from typing import Any

from leaderboard.plugin import id_of, list_of, object_of, parse_due, parse_time, text_of

Versions = list[tuple[datetime, str]]
"""A property's values, each with when it was set, the oldest first."""


def versions_of(ticket: dict[str, Any], name: str) -> Versions:
    history = object_of(ticket.get("propertiesWithHistory"), "propertiesWithHistory")
    versions = [object_of(item, "a version") for item in list_of(history.get(name) or [], name)]
    told = [(moment_of(item.get("timestamp")), said_of(item.get("value"))) for item in reversed(versions)]
    return sorted(told, key=lambda version: version[0])


def value_at(versions: Versions, moment: datetime) -> str | None:
    """The value at that moment; None where there was none."""
    values = [value for at, value in versions if at <= moment]
    return values[-1] or None if values else None


def said_of(value: Any) -> str:
    """A property's value: texts as they are, numbers as HubSpot's own workflows may send them."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if value == int(value) else str(value)
    return text_of("" if value is None else value).strip()


def moment_of(value: Any) -> datetime:
    """A moment in ISO 8601 or in milliseconds, as a number or in digits: HubSpot writes both."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return parse_time(value / 1000 if isinstance(value, int) and not isinstance(value, bool) else value)


def due_of(value: str, timezone: str) -> datetime:
    """A promised moment. HubSpot keeps a day as its midnight in UTC: it means the day's end where the team works."""
    if not (value.isdigit() or "T" in value):
        return parse_due(value, timezone)
    moment = moment_of(value)
    return moment if moment.time() != time(0) else parse_due(f"{moment:%Y-%m-%d}", timezone)


def customer_of(value: Any) -> str | None:
    """The first of the addresses of who is concerned."""
    return id_of(said_of(value).split(";")[0].strip()[:160])
