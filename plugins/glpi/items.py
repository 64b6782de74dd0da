"""What GLPI's items say: numbers, users, and who has to do with a ticket, as each road tells it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaderboard.plugin import Event, Invalid, Kind, id_of, list_of, object_of, plain_text

# With words, a survey's good answer is a thanks
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}

MOST = 50
CUSTOMERS = ("requester", "observer")
# The rows' type; src/CommonITILActor.php
ROLES = {"1": "requester", "2": "assigned", "3": "observer"}


@dataclass(frozen=True)
class Team:
    """User ids by what they are to the ticket. Groups are nobody."""

    assigned: tuple[str, ...]
    customers: tuple[str, ...]


def team_of_rows(rows: Iterable[dict[str, Any]]) -> Team:
    """From the API's Ticket_User."""
    return _team([(ROLES.get(id_of(row.get("type")) or ""), id_of(row.get("users_id"))) for row in rows])


def team_of_webhook(ticket: dict[str, Any]) -> Team:
    """From the ticket in a webhook. A member's id stands in its address, in some versions beside it too."""
    found = []
    for item in list_of(ticket.get("team") or [], "team"):
        member = object_of(item, "a team member")
        address = re.search(r"/user\.form\.php\?id=([0-9]{1,20})", str(member.get("href")))
        is_user = member.get("type") == "User"
        found.append(
            (member.get("role"), address[1] if address else id_of(member.get("id")) if is_user else None)
        )
    return _team(found)


def _team(members: list[tuple[Any, str | None]]) -> Team:
    assigned = tuple(user for role, user in members if role == "assigned" and user)
    return Team(assigned[:MOST], tuple(user for role, user in members if role in CUSTOMERS and user))


def deleted(ticket: str, moment: datetime) -> Iterator[Event]:
    """A deleted ticket, or one merged into another: what was rated on it no longer stands."""
    for word in RATING_KINDS:
        key = f"ticket/{ticket}/deleted/{word}"
        yield Event(key, "fact.withdrawn", moment, object=f"rating/{ticket}/{word}", ticket=ticket)


def number_of(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no number where GLPI puts one")
    return number


def user_in(item: dict[str, Any], name: str) -> str | None:
    return id_of(object_of(item.get(name), name).get("id"))


def words_of(content: Any) -> str | None:
    """What a followup says. GLPI 10 keeps its HTML encoded once more."""
    words = plain_text(content or "")
    return (
        plain_text(words) if words.startswith("<") and str(content).startswith("&#60;") else words
    ) or None
