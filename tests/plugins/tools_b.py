"""Still more helpdesks over a real socket: Jira Service Management."""

import re
from datetime import datetime, timedelta
from typing import Any

from tests.plugins.tools import NOW, Asked, Said, Tool


def stamp(moment: datetime) -> str:
    """As Jira writes a time: with milliseconds, and a zone without a colon."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000"


class JiraTool(Tool):
    """Fields, a search by relative times with page tokens, histories from the oldest, comments, feedback and users."""

    size = 2
    authorization = "Basic Ym90QGV4YW1wbGUuY29tOnRva2Vu"  # bot@example.com:token
    fields: tuple[tuple[str, str, str | None], ...] = (
        ("updated", "Updated", None),
        ("customfield_10017", "Satisfaction", "sd-request-feedback"),
        ("customfield_10018", "Satisfaction date", "sd-request-feedback-date"),
        ("customfield_10040", "Time to resolution", "sd-sla-field"),
        ("customfield_10041", "Time to approve", "sd-sla-field"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.issues: list[dict[str, Any]] = []
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.feedback: dict[str, Any] = {}
        self.users: list[dict[str, Any]] = []

    def change(self, number: int, at: datetime, *items: dict[str, Any], by: str = "88", **more: Any) -> None:
        """An issue as it is now, and one entry of its history where there are items."""
        customer = {"accountId": f"qm:{number}", "accountType": "customer"}
        fields = {"assignee": {"accountId": "77"}, "reporter": customer, "labels": [], "updated": stamp(at)}
        self.issues[:] = [issue for issue in self.issues if issue["id"] != str(number)]
        self.issues.append({"id": str(number), "key": f"SUP-{number}", "fields": {**fields, **more}})
        histories = self.histories.setdefault(str(number), [])
        if items:
            history = {"id": f"{number}0{len(histories)}", "author": {"accountId": by}}
            histories.append({**history, "created": stamp(at), "items": list(items)})

    def rate(self, number: int, rating: int, at: datetime, words: str | None = None, **more: Any) -> None:
        self.issues.append(
            {
                "id": str(number),
                "key": f"SUP-{number}",
                "fields": {
                    "assignee": {"accountId": "77"},
                    "reporter": {"accountId": f"qm:{number}", "accountType": "customer"},
                    "updated": stamp(at),
                    "customfield_10017": {"rating": rating},
                    "customfield_10018": stamp(at),
                    **more,
                },
            }
        )
        comment = {"comment": {"body": words, "public": False}} if words else {}
        self.feedback[str(number)] = {"type": "csat", "rating": rating, **comment}

    def write(self, issue: int, number: int, author: str, at: datetime, **more: Any) -> None:
        kind = "customer" if author.startswith("qm:") else "atlassian"
        comment = {"id": str(number), "author": {"accountId": author, "accountType": kind}, "body": "Words"}
        self.comments.setdefault(str(issue), []).append(
            {**comment, "created": stamp(at), "jsdPublic": True, **more}
        )

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"message": "Client must be authenticated to access this resource."}, status=401)
        path, query = asked.path, asked.query
        if path == "/rest/api/2/field":
            told = (
                (number, name, {"type": "any", "custom": f"com.atlassian.servicedesk:{custom}"})
                for number, name, custom in self.fields
            )
            return Said([{"id": number, "name": name, "schema": schema} for number, name, schema in told])
        if path == "/rest/api/2/search/jql":
            return self._search(query)
        if path == "/rest/api/2/users/search":
            start = int(query["startAt"])
            return Said(self.users[start : start + self.size])
        if found := re.fullmatch(r"/rest/api/2/issue/([0-9]+)/changelog", path):
            return self._history(self.histories.get(found[1], []), int(query["startAt"]))
        if found := re.fullmatch(r"/rest/api/2/issue/([0-9]+)/comment", path):
            assert query["orderBy"] == "-created"
            comments = sorted(self.comments.get(found[1], []), key=lambda each: str(each["created"]))
            return Said({"startAt": 0, "maxResults": 100, "comments": comments[::-1]})
        if found := re.fullmatch(r"/rest/servicedeskapi/request/([0-9]+)/feedback", path):
            assert asked.headers["X-ExperimentalApi"] == "opt-in"
            return Said(self.feedback[found[1]])
        return Said({"errorMessages": ["Not found"]}, status=404)

    def _search(self, query: dict[str, str]) -> Said:
        form = r'project in \("SUP"\) AND (updated|cf\[10018\]) >= "-([0-9]+)m" ORDER BY \1 ASC'
        asked = re.fullmatch(form, query["jql"])
        assert asked, query["jql"]
        field = "updated" if asked[1] == "updated" else "customfield_10018"
        assert field in query["fields"].split(",")
        begin = stamp((self.now or NOW) - timedelta(minutes=int(asked[2])))
        chosen = [issue for issue in self.issues if str(issue["fields"].get(field) or "") >= begin]
        chosen.sort(key=lambda issue: str(issue["fields"][field]))
        start = int(query.get("nextPageToken", 0))
        shown = chosen[start : start + self.size]
        if start + self.size < len(chosen):
            return Said({"issues": shown, "nextPageToken": str(start + self.size)})
        return Said({"issues": shown, "isLast": True})

    def _history(self, histories: list[dict[str, Any]], start: int) -> Said:
        shown, last = histories[start : start + self.size], start + self.size >= len(histories)
        return Said({"startAt": start, "total": len(histories), "isLast": last, "values": shown})
