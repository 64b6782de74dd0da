"""How Zoho Desk, GLPI and Crisp are pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from leaderboard.plugin import Plugin
from plugins.crisp import Crisp
from plugins.glpi import Glpi
from plugins.zoho_desk import ZohoDesk
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_e import WEBSITE, CrispTool, GlpiTool, ZohoTool, local, stamp


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


def glpi(tool: GlpiTool) -> Pulled:
    class Local(Glpi):
        page_size: ClassVar[int] = 2

    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "user_token": "ut", "app_token": "app", "read_faq": True}
        return Local(**{**given, "timezone": "Europe/Berlin", **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.rate(1, 5, hours[5])
        tool.rate(2, 1, hours[4], "Nobody came.")
        due = {"time_to_resolve": local(NOW), "solvedate": local(hours[1]), "status": 5}
        tool.change(3, hours[1], **due)
        tool.solve(3, 31, 77, hours[1])
        tool.solve(3, 32, 77, hours[3], status=4, date_approval=local(hours[2]))
        entry = {"id": 9, "name": "Lost luggage", "users_id": 77, "is_faq": 1, "date_mod": local(hours[1])}
        tool.tables["KnowbaseItem"].append(entry)

    return Pulled(
        tool,
        make,
        "/apirest.php/TicketSatisfaction",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{}/thanks",
        tool.tables["TicketSatisfaction"],
        "tickets_id",
        {"satisfaction_scaled_to_5": 3},
        bare=True,
        show=show,
    )


def crisp(tool: CrispTool) -> Pulled:
    class Local(Crisp):
        page_size: ClassVar[int] = 2

        def api_url(self) -> str:
            return tool.address

    def make(**settings: Any) -> Plugin:
        return Local(**{"website_id": WEBSITE, "identifier": "id", "key": "key", **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        data = {"data": {"promised_for": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}}
        tool.change(3, hours[1], state="resolved", meta=data)
        tool.write(3, 31, "88", hours[2])
        tool.write(3, 32, "77", hours[1], type="event", content={"namespace": "state:resolved"})

    return Pulled(
        tool,
        make,
        f"/v1/website/{WEBSITE}/conversations/1",
        lambda number, at: tool.thank(number, at, "Thank you"),
        "message/session_{0}/{0}/thanks",
        tool.conversations,
        "session_id",
        {"session_id": "session_odd"},
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "zoho_desk": (ZohoTool, zoho_desk),
    "glpi": (GlpiTool, glpi),
    "crisp": (CrispTool, crisp),
}
