"""How django-helpdesk and Salesforce are pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.django_helpdesk import DjangoHelpdesk
from plugins.salesforce import Salesforce
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_f import BEN, DjangoHelpdeskTool, SalesforceTool, sf_id

SECRET = "a-secret-of-an-address"


def django_helpdesk(tool: DjangoHelpdeskTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "secret": SECRET, "api_user": "reader", "api_password": "pw"}
        return DjangoHelpdesk(**{**given, **settings})

    return Pulled(
        tool,
        make,
        "/api/followups/",
        tool.thank,
        "rating/{}/thanks",
        tool.followups,
        "ticket",
        {"id": 4711, "comment": "#danced"},
    )


def salesforce(tool: SalesforceTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "client_id": "app", "client_secret": "app-secret"}
        fields = {"rating_field": "CSAT__c", "words_field": "CSAT_Words__c"}
        more = {"milestones": True, "articles": "Knowledge__kav", "read_posts": True}
        return Salesforce(**{**given, **fields, **more, **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.thank(1, hours[7], "1", "Nobody rang.")
        tool.thank(2, hours[6], "5")
        tool.thank(3, hours[5], "5", "")
        case = tool.open(4)
        tool.change(41, case, "Status", "New", "Closed", hours[4])
        tool.change(42, case, "Status", "Closed", "Working", hours[3])
        written = {"ParentId": case, "CreatedById": sf_id(BEN, "005")}
        tool.put("CaseFeed", sf_id(43), hours[2], Type="TextPost", **written)
        tool.put("EmailMessage", sf_id(44), hours[1], Incoming=False, Status="3", **written)
        tool.step(45, case, hours[6], due=hours[3], done=hours[4])
        tool.publish(46, hours[1])

    return Pulled(
        tool,
        make,
        "/services/data/v62.0/query",
        tool.thank,
        "rating/{:a>18}/thanks",
        tool.tables["CaseHistory"],
        "CaseId",
        {"Id": sf_id(4711), "NewValue": "17"},
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "django_helpdesk": (DjangoHelpdeskTool, django_helpdesk),
    "salesforce": (SalesforceTool, salesforce),
}
