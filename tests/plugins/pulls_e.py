"""How Zoho Desk is pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from leaderboard.plugin import Plugin
from plugins.zoho_desk import ZohoDesk
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_e import ZohoTool, stamp


def zoho_desk(tool: ZohoTool) -> Pulled:
    class Local(ZohoDesk):
        page_size: ClassVar[int] = 2

        def api_url(self) -> str:
            return tool.address

        def token_url(self) -> str:
            return f"{tool.address}/oauth/v2/token"

    def make(**settings: Any) -> Plugin:
        given = {"client_id": "client", "client_secret": "cs", "refresh_token": "rt"}
        return Local(**{"org_id": "60001280", **given, **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.rate(1, "GOOD", hours[5])
        tool.rate(2, "BAD", hours[4], "Nobody rang.")
        tool.change(3, hours[1])
        tool.write(3, 31, "88", hours[2])
        article = {"id": "9", "status": "Published", "authorId": "77", "modifiedTime": stamp(hours[3])}
        tool.articles.append({**article, "title": "Lost luggage"})

    return Pulled(
        tool,
        make,
        "/api/v1/customerHappiness",
        lambda number, at: tool.rate(number, "GOOD", at, "Thank you"),
        "rating/{}/thanks",
        tool.ratings,
        "ticketId",
        {"rating": "GREAT"},
        none_is_204=True,
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {"zoho_desk": (ZohoTool, zoho_desk)}
