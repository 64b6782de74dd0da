"""How ServiceNow is pulled in the tests."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from leaderboard.plugin import Plugin
from plugins.servicenow import ServiceNow
from tests.plugins.pulled import Pulled
from tests.plugins.tools import NOW, Tool
from tests.plugins.tools_c import QUESTION, WORDS, ServiceNowTool, stamp, sys_id


def servicenow(tool: ServiceNowTool) -> Pulled:
    def make(**settings: Any) -> Plugin:
        given = {"address": tool.address, "secret": "s", "api_user": "api", "api_password": "pw"}
        asked = {"rating_question": QUESTION, "words_question": WORDS, "read_articles": True}
        return ServiceNow(**{**given, **asked, **settings})

    def show() -> None:
        hours = [NOW - timedelta(hours=number) for number in range(8)]
        tool.rate(1, 5, hours[5])
        tool.rate(2, 1, hours[4], "Nobody rang.")
        tool.rate(3, 5, hours[3], "Thank you")
        tool.write(3, 31, "ben", hours[2])
        tool.write(3, 32, "ana", hours[1], "comments")
        tool.change(3, hours[1])
        article = {
            "sys_id": sys_id(9),
            "number": "KB0010009",
            "author": sys_id(77),
            "sys_updated_on": stamp(NOW),
        }
        tool.articles.append({**article, "workflow_state": "published", "short_description": "Lost luggage"})

    return Pulled(
        tool,
        make,
        "/api/now/table/asmt_metric_result",
        lambda number, at: tool.rate(number, 5, at, "Thank you"),
        "rating/{:a>32}/thanks",
        tool.ratings,
        "instance",
        {"actual_value": "17"},
        show=show,
    )


MAKERS: dict[str, tuple[type[Tool], Callable[[Any], Pulled]]] = {"servicenow": (ServiceNowTool, servicenow)}
