"""How Request Tracker is pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.request_tracker import RequestTracker
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_g import RequestTrackerTool, stamp


def request_tracker(tool: RequestTrackerTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "secret": "s", "api_token": "1-31-token", "read_articles": True}
        fields = {"rating_field": "Satisfaction", "words_field": "Customer words"}
        return RequestTracker(**{**given, **fields, **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.rate(501, "Good", hours[7])
        tool.rate(502, "Bad", hours[6], "Nobody rang.")
        tool.rate(503, "Good", hours[6], "Thank you")
        tool.change(9, "Due", stamp(NOW), "ana", hours[5])
        tool.write(9, "Comment", "ben", hours[4])
        tool.write(9, "Correspond", "ana", hours[3])
        tool.change(9, "Status", "resolved", "ana", hours[2])
        tool.change(9, "Status", "open", "RT_System", hours[1])
        tool.write(5, "Create", "ana", hours[1], ObjectType="RT::Article")

    return Pulled(
        tool,
        make,
        "/REST/2.0/transactions",
        lambda number, at: tool.rate(number, "Good", at, "Thank you"),
        "transaction/{}/thanks",
        tool.transactions,
        "ObjectId",
        {"NewValue": "So so", "id": "99"},
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {
    "request_tracker": (RequestTrackerTool, request_tracker),
}
