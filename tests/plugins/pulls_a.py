"""How Freshdesk, Intercom, Zammad, Chatwoot, FreeScout and Front are pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.chatwoot import Chatwoot
from plugins.freescout import FreeScout
from plugins.freshdesk import Freshdesk
from plugins.front import Front
from plugins.intercom import Intercom
from plugins.zammad import Zammad
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool, iso
from tests.plugins.tools_a import (
    ChatwootTool,
    FreeScoutTool,
    FreshdeskTool,
    FrontTool,
    IntercomTool,
    ZammadTool,
)


def freshdesk(tool: FreshdeskTool) -> Pulled:
    class Local(Freshdesk):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        given = {"domain": "fairhaven", "secret": "s", "api_key": "key", "article_folders": (5,)}
        return Local(**{**given, **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.rate(1, 103, hours[5])
        tool.rate(2, -103, hours[4], "Nobody rang.")
        promised = {"tags": ["promise"], "due_by": iso(NOW + timedelta(hours=2))}
        solved = {"resolved_at": iso(hours[1]), "reopened_at": iso(hours[2])}
        tool.change(3, hours[1], status=4, stats=solved, **promised)
        tool.write(3, 31, 88, hours[2], private=True, source=2)
        tool.write(3, 32, 77, hours[1])
        article = {"id": 9, "agent_id": 77, "status": 2, "title": "Lost luggage", "updated_at": iso(hours[3])}
        tool.articles.append(article)

    return Pulled(
        tool,
        make,
        "/api/v2/surveys/satisfaction_ratings",
        lambda number, at: tool.rate(number, 103, at, "Thank you"),
        "rating/{}/thanks",
        tool.ratings,
        "ticket_id",
        {"ratings": {"default_question": 7}},
        bare=True,
        show=show,
    )


def intercom(tool: IntercomTool) -> Pulled:
    class Local(Intercom):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        return Local(**{"client_secret": "s", "access_token": "token", **settings})

    return Pulled(
        tool,
        make,
        "/conversations/search",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{}/thanks",
        tool.conversations,
        "id",
        {"conversation_rating": {"rating": 17}},
    )


def zammad(tool: ZammadTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"secret": "s", "api_token": "token", "knowledge_base": True, "address": tool.address}
        return Zammad(**{**given, **settings})

    def show() -> None:
        published = {"published_at": iso(NOW), "published_by_id": 77, "archived_at": None}
        tool.answers["7"] = {"id": 7, **published}

    return Pulled(
        tool,
        make,
        "/api/v1/tickets/search",
        lambda number, at: tool.thank(number, at, "Thank you"),
        "rating/{}/thanks",
        tool.tickets,
        "id",
        {"tags": []},
        bare=True,
        show=show,
    )


def chatwoot(tool: ChatwootTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"secret": "s", "api_token": "token", "account_id": 1, "portal": "help"}
        return Chatwoot(**{**given, "address": tool.address, **settings})

    def show() -> None:
        article = {"id": 9, "title": "Lost luggage", "status": "published", "author": {"id": 77}}
        tool.articles.append({**article, "updated_at": int(NOW.timestamp())})

    return Pulled(
        tool,
        make,
        "/api/v1/accounts/1/csat_survey_responses",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{}/thanks",
        tool.answers,
        "message_id",
        {"rating": 17},
        bare=True,
        show=show,
    )


def freescout(tool: FreeScoutTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        return FreeScout(**{"secret": "s", "api_key": "key", "address": tool.address, **settings})

    return Pulled(
        tool,
        make,
        "/api/conversations",
        lambda number, at: tool.thank(number, at, "Thank you"),
        "rating/{}/thanks",
        tool.conversations,
        "id",
        {"_embedded": {"threads": [], "tags": []}},
    )


def front(tool: FrontTool) -> Pulled:
    class Local(Front):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        return Local(**{"signing_key": "s", "api_token": "token", **settings})

    return Pulled(
        tool,
        make,
        "/events",
        lambda number, at: tool.thank(number, at, "Thank you"),
        "rating/cnv_{}/thanks",
        tool.events,
        "conversation",
        {"target": {"_meta": {"type": "tag"}, "data": {"name": "urgent"}}},
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "freshdesk": (FreshdeskTool, freshdesk),
    "intercom": (IntercomTool, intercom),
    "zammad": (ZammadTool, zammad),
    "chatwoot": (ChatwootTool, chatwoot),
    "freescout": (FreeScoutTool, freescout),
    "front": (FrontTool, front),
}
