"""One more helpdesk over a real socket: ServiceNow's Table API."""

import re
from datetime import datetime
from typing import Any

from tests.plugins.tools import Asked, Said, Tool

QUESTION, WORDS = "c" * 32, "d" * 32
Row = dict[str, Any]


def sys_id(number: int) -> str:
    return f"{number:a>32}"


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


class ServiceNowTool(Tool):
    """Tables that understand the encoded queries that we ask, and answer in their order, at most `size` rows at once."""

    size = 2
    authorization = "Basic YXBpOnB3"  # api:pw

    def __init__(self) -> None:
        super().__init__()
        self.ratings: list[Row] = []
        self.words: list[Row] = []
        self.tickets: list[Row] = []
        self.notes: list[Row] = []
        self.articles: list[Row] = []
        self.roles: list[Row] = []
        self.users: list[Row] = [
            {"sys_id": sys_id(77), "user_name": "ana", "active": "true"},
            {"sys_id": sys_id(88), "user_name": "ben", "active": "true"},
            {"sys_id": sys_id(500), "user_name": "ito", "active": "true"},
        ]

    def rate(self, number: int, value: int, at: datetime, words: str = "", **more: Any) -> None:
        survey = {"instance": sys_id(number), "instance.user": sys_id(500 + number)}
        about = {"instance.task_id": sys_id(1000 + number), "instance.task_id.assigned_to": sys_id(77)}
        row = {"sys_id": sys_id(2000 + number), "metric": QUESTION, "actual_value": str(value)}
        times = {"instance.taken_on": stamp(at), "sys_updated_on": stamp(at)}
        self.ratings.append({**row, **survey, **about, **times, **more})
        self.words.append({"metric": WORDS, "instance": sys_id(number), "string_value": words})

    def change(self, number: int, at: datetime, **more: Any) -> None:
        ticket = {
            "sys_id": sys_id(number),
            "number": f"INC{number:07}",
            "state": "2",
            "sys_updated_on": stamp(at),
        }
        people = {"assigned_to": sys_id(77), "caller_id": sys_id(500), "resolved_by": "", "resolved_at": ""}
        self.tickets.append(
            {**ticket, **people, "closed_at": "", "reopened_time": "", "due_date": "", **more}
        )

    def write(self, ticket: int, number: int, author: str, at: datetime, element: str = "work_notes") -> None:
        note = {"sys_id": sys_id(number), "element": element, "element_id": sys_id(ticket), "value": "Words"}
        self.notes.append({**note, "sys_created_by": author, "sys_created_on": stamp(at)})

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"error": {"message": "User is not authenticated"}, "status": "failure"}, status=401)
        assert asked.query["sysparm_display_value"] == "false"
        assert asked.query["sysparm_exclude_reference_link"] == "true"
        tables = {
            "asmt_metric_result": self.ratings + self.words,
            "incident": self.tickets,
            "sys_journal_field": self.notes,
            "kb_knowledge": self.articles,
            "sys_user": self.users,
            "sys_user_has_role": self.roles,
        }
        table = asked.path.removeprefix("/api/now/table/")
        if table not in tables:
            return Said({"error": {"message": "Invalid table"}, "status": "failure"}, status=400)
        rows, order = tables[table], list[str]()
        conditions: list[list[str]] = []
        for part in asked.query["sysparm_query"].split("^"):
            if part.startswith("ORDERBY"):
                order.append(part.removeprefix("ORDERBY"))
            elif part.startswith("OR"):
                conditions[-1].append(part.removeprefix("OR"))
            else:
                conditions.append([part])
        chosen = [
            row for row in rows if all(any(_holds(row, each) for each in any_of) for any_of in conditions)
        ]
        chosen.sort(key=lambda row: [str(row[name]) for name in order])
        fields = asked.query["sysparm_fields"].split(",")
        limit = int(asked.query["sysparm_limit"])
        size = min(limit, self.size) if order else limit
        shown = [{name: row.get(name, "") for name in fields} for row in chosen[:size]]
        more = {"Link": '<https://elsewhere.example/>;rel="next"'} if len(chosen) > size else {}
        return Said({"result": shown}, headers=more)


def _holds(row: Row, condition: str) -> bool:
    match = re.fullmatch(r"([a-z_.]+)(>=|>|=|IN)(.*)", condition)
    assert match, condition
    name, operator, wanted = match.groups()
    held = str(row.get(name, ""))
    if operator == "IN":
        return held in wanted.split(",")
    return held == wanted if operator == "=" else held > wanted or (operator == ">=" and held == wanted)
