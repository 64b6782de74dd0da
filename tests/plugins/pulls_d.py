"""How HubSpot, Gorgias and Frappe Helpdesk are pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.frappe_helpdesk import FrappeHelpdesk
from plugins.gorgias import Gorgias
from plugins.hubspot import HubSpot
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_d import FrappeTool, GorgiasTool, HubSpotTool, milli, plain


def hubspot(tool: HubSpotTool) -> Pulled:
    class Local(HubSpot):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        given = {"webhook_url": "https://stars.example/hooks/hubspot", "client_secret": "s"}
        answers = {"good_ratings": ("2",), "bad_ratings": ("0",), "promise_property": "promised_for"}
        return Local(**{**given, **answers, "access_token": "hubspot-token", **settings})

    def show() -> None:
        at = NOW - timedelta(hours=1)
        tool.change(1, at)
        tool.note(5, 1, "88", at)

    return Pulled(
        tool,
        make,
        "/crm/v3/objects/tickets/search",
        lambda number, at: tool.rate(number, "2", at, "Thank you"),
        "rating/{}/thanks",
        tool.tickets,
        "id",
        {
            "id": "99",
            "propertiesWithHistory": {"hs_last_csat_rating": [{"value": "17", "timestamp": milli(NOW)}]},
        },
        show=show,
    )


def gorgias(tool: GorgiasTool) -> Pulled:
    class Local(Gorgias):
        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        given = {"domain": "fairhaven", "secret": "s", "api_email": "api@example.com", "api_key": "key"}
        return Local(**{**given, **settings})

    def show() -> None:
        again = {
            "type": "ticket-reopened",
            "object_type": "Ticket",
            "object_id": 9,
            "user_id": 77,
            "data": {},
        }
        tool.events.append({"id": 1, **again, "created_datetime": plain(NOW - timedelta(hours=1))})

    return Pulled(
        tool,
        make,
        "/api/events",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{}/thanks",
        tool.events,
        "created_datetime",
        {"type": "ticket-danced"},
        show=show,
    )


def frappe_helpdesk(tool: FrappeTool) -> Pulled:
    class Local(FrappeHelpdesk):
        page_size = 2

    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "timezone": "Europe/Berlin", "secret": "s", "api_key": "key"}
        return Local(**{**given, "api_secret": "frappe-secret", **settings})

    return Pulled(
        tool,
        make,
        "/api/resource/HD%20Ticket",
        lambda number, at: tool.rate(number, 1.0, at, "Thank you"),
        "rating/{}/thanks",
        tool.tickets,
        "name",
        {"name": 99, "feedback_rating": 0.6},
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "hubspot": (HubSpotTool, hubspot),
    "gorgias": (GorgiasTool, gorgias),
    "frappe_helpdesk": (FrappeTool, frappe_helpdesk),
}
