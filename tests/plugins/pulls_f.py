"""How django-helpdesk is pulled in the tests."""

from collections.abc import Callable
from typing import Any

from leaderboard.plugin import Plugin
from plugins.django_helpdesk import DjangoHelpdesk
from tests.plugins.pulled import Pulled
from tests.plugins.tools import Tool
from tests.plugins.tools_f import DjangoHelpdeskTool

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


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "django_helpdesk": (DjangoHelpdeskTool, django_helpdesk),
}
