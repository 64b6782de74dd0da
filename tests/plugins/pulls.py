"""Each plugin that pulls, with a tool to pull from."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from leaderboard.plugin import Plugin
from plugins.demo import DemoDesk
from plugins.help_scout import HelpScout
from plugins.zendesk import Zendesk
from tests.plugins import pulls_a, pulls_b, pulls_c, pulls_d, pulls_e, pulls_f, pulls_g, pulls_h
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Asked, DemoTool, HelpScoutTool, Said, Tool, ZendeskTool, iso


def zendesk(tool: ZendeskTool) -> Pulled:
    class Local(Zendesk):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        given = {
            "subdomain": "fairhaven",
            "signing_secret": "s",
            "api_token": "t",
            "api_email": "a@example.com",
            **pulls_h.EVERYTHING,
        }
        return Local(**{**given, **settings})

    return Pulled(
        tool,
        make,
        "/api/v2/satisfaction_ratings.json",
        lambda number, at: tool.rate(number, "good", at, "Thank you"),
        "rating/{}/thanks",
        tool.ratings,
        "ticket_id",
        {"score": "ecstatic"},
        show=lambda: pulls_h.show(tool),
    )


def help_scout(tool: HelpScoutTool) -> Pulled:
    class Local(HelpScout):
        def api_url(self) -> str:
            return tool.address

        docs_url = api_url

    def make(**settings: Any) -> Plugin:
        given = {"secret": "s", "app_id": "app", "app_secret": "app-secret", "docs_api_key": "docs-key"}
        return Local(**{**given, **settings})

    def show() -> None:
        tool.publish("a1", NOW)

    return Pulled(
        tool,
        make,
        "/v2/reports/happiness/ratings",
        lambda number, at: tool.rate(number, 1, at, "Thank you"),
        "rating/{}/thanks",
        tool.ratings,
        "threadid",
        {"ratingId": 9},
        show=show,
    )


def demo(tool: DemoTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        return DemoDesk(**{"secret": "s", "address": tool.address, "api_token": "demo-token", **settings})

    def add(number: int, at: datetime) -> None:
        tool.facts.append({"id": number, "what": "thanks", "agent": "7", "words": "Thank you", "at": iso(at)})

    return Pulled(tool, make, "/facts", add, "rating/{}/thanks", tool.facts, "id", {"what": "danced"})


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "zendesk": (ZendeskTool, zendesk),
    "help_scout": (HelpScoutTool, help_scout),
    "demo": (DemoTool, demo),
    **pulls_a.MAKERS,
    **pulls_b.MAKERS,
    **pulls_c.MAKERS,
    **pulls_d.MAKERS,
    **pulls_e.MAKERS,
    **pulls_f.MAKERS,
    **pulls_g.MAKERS,
}


def pull_with(pulled: Pulled, http: httpx.Client, said: Said, path: str | None = None) -> None:
    def misbehave(asked: Asked) -> Said | None:
        return (
            said
            if asked.path == (path or pulled.list_path) and asked.query.get("page[size]") != "1"
            else None
        )

    pulled.tool.misbehaves = misbehave
    pulled.events(http)
