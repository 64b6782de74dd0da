"""How Jira Service Management is pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.jira_service_management import JiraServiceManagement
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_b import JiraTool, stamp


def jira_service_management(tool: JiraTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"secret": "s", "api_email": "bot@example.com", "api_token": "token", "projects": ("SUP",)}
        return JiraServiceManagement(**{**given, "address": tool.address, **settings})

    def show() -> None:
        tool.rate(1, 5, NOW - timedelta(hours=2))
        tool.rate(2, 1, NOW - timedelta(hours=1), "Nobody rang.")

    return Pulled(
        tool,
        make,
        "/rest/api/2/search/jql",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{}/thanks",
        tool.issues,
        "id",
        {"fields": {"updated": stamp(NOW), "status": None}},
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "jira_service_management": (JiraTool, jira_service_management),
}
