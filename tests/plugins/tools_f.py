"""More helpdesks over a real socket: django-helpdesk's API, and Salesforce's."""

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from tests.plugins.tools import NOW, Asked, Said, Tool

Row = dict[str, Any]
ANA, BEN = 3, 7


class DjangoHelpdeskTool(Tool):
    """Follow-ups by date in pages that are counted, and a ticket with all of its follow-ups, as the real one answers."""

    size = 2
    authorization = "Basic cmVhZGVyOnB3"  # reader:pw

    def __init__(self) -> None:
        super().__init__()
        self.followups: list[Row] = []
        self.tickets: dict[str, Row] = {}

    def open(self, number: int, **more: Any) -> None:
        ticket = {"id": number, "title": "Lost luggage", "description": "It never came.", "assigned_to": ANA}
        people = {"submitter_email": f"customer-{number}@example.com", "status": 1, "merged_to": None}
        self.tickets[str(number)] = {**ticket, **people, "due_date": None, **more}

    def write(self, ticket: int, user: int | None, comment: str, at: datetime, **more: Any) -> None:
        number = len(self.followups) + 1
        mail = None if user else f"<{number}@mail.example.com>"
        row = {
            "id": number,
            "message_id": mail,
            "ticket": ticket,
            "user": user,
            "title": "Comment",
            "comment": comment,
        }
        self.followups.append(
            {**row, "public": True, "new_status": None, "date": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", **more}
        )

    def thank(self, number: int, at: datetime, words: str = "Thank you") -> None:
        """A colleague marks what the customer wrote a moment before."""
        self.open(number)
        self.write(number, BEN, "#thanks", at, public=False)
        self.write(number, ANA, "It is here.", at - timedelta(days=30))
        self.write(number, None, words, at - timedelta(seconds=1))

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"detail": "Invalid username/password."}, status=401)
        kind, _, number = asked.path.strip("/").removeprefix("api/").partition("/")
        if kind == "tickets" and number in self.tickets:
            mine = [row for row in self._by_date() if str(row.get("ticket")) == number]
            return Said({**self.tickets[number], "followup_set": mine})
        if kind == "followups" and not number:
            page, size = int(asked.query["page"]), min(self.size, int(asked.query["page_size"]))
            shown = self._by_date()[(page - 1) * size : page * size]
            if shown or page == 1:
                return Said({"count": len(self.followups), "next": None, "previous": None, "results": shown})
        return Said({"detail": "Not found."}, status=404)

    def _by_date(self) -> list[Row]:
        return sorted(self.followups, key=lambda row: str(row["date"]))


# ---------------------------------------------------------------- Salesforce

QUESTION, WORDS = f"{'Q':a>15}", f"{'W':a>15}"


def sf_id(number: int, prefix: str = "") -> str:
    return prefix + f"{number:a>{18 - len(prefix)}}"


def sf_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000"


CONDITION = re.compile(r"([A-Za-z_.]+) (>=|IN|!=|=) (\([^)]*\)|'[^']*'|[^ ]+)")
SOQL = re.compile(r"SELECT (.+) FROM (\w+) WHERE (.+) ORDER BY (\w+), Id")


class SalesforceTool(Tool):
    """A token, and tables that understand the SOQL that we ask, at most `size` rows at once with a locator for the rest."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.locators: list[list[Row]] = []
        names = ("Case", "CaseHistory", "CaseMilestone", "CaseComment", "EmailMessage", "CaseFeed", "User")
        surveys = ("SurveyQuestionResponse", "SurveySubject", "Knowledge__kav")
        self.tables: dict[str, list[Row]] = {name: [] for name in (*names, *surveys)}
        for number, name in ((ANA, "Ana Alvarez"), (BEN, "Ben Brandt")):
            email = f"{name.split()[0].lower()}@example.com"
            self.put(
                "User", sf_id(number, "005"), NOW, Name=name, Email=email, UserType="Standard", IsActive=True
            )

    def put(self, table: str, number: str, at: datetime, **columns: Any) -> Row:
        row = {"attributes": {"type": table}, "Id": number, "CreatedDate": sf_time(at), **columns}
        self.tables[table].append({"SystemModstamp": row["CreatedDate"], **row})
        return self.tables[table][-1]

    def open(self, number: int, **columns: Any) -> str:
        """A case of Ana's; its id."""
        owner, contact = {"OwnerId": sf_id(ANA, "005")}, {"ContactId": sf_id(900 + number, "003")}
        self.put("Case", sf_id(number, "500"), NOW - timedelta(days=90), **owner, **contact, **columns)
        return sf_id(number, "500")

    def change(
        self, number: int, case: str, field: str, old: Any, new: Any, at: datetime, **more: Any
    ) -> None:
        columns = {"CaseId": case, "Field": field, "OldValue": old, "NewValue": new}
        self.put("CaseHistory", sf_id(number), at, **columns, **{"CreatedById": sf_id(99, "005"), **more})

    def step(self, number: int, case: str, at: datetime, due: datetime, done: datetime | None) -> None:
        """A milestone of a service level."""
        times = {"TargetDate": sf_time(due), "CompletionDate": sf_time(done) if done else None}
        named = {"MilestoneType": {"attributes": {"type": "MilestoneType"}, "Name": "First response"}}
        self.put("CaseMilestone", sf_id(number, "557"), at, CaseId=case, **times, **named)

    def publish(self, number: int, at: datetime, **more: Any) -> None:
        shown = {"PublishStatus": "Online", "IsMasterLanguage": True, "FirstPublishedDate": sf_time(at)}
        names = {"KnowledgeArticleId": sf_id(number, "kA0"), "CreatedById": sf_id(BEN, "005")}
        self.put("Knowledge__kav", sf_id(number, "ka0"), at, **{**shown, **names, **more})

    def thank(
        self, number: int, at: datetime, value: Any = "5", words: str = "Thank you", **more: Any
    ) -> None:
        case = self.open(number, CSAT__c=value, CSAT_Words__c=words)
        self.change(number, case, "CSAT__c", None, value, at, **more)

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/services/oauth2/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            known = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "app-secret"}
            if form == known:
                return Said({"access_token": "a-token", "instance_url": self.address, "token_type": "Bearer"})
            return Said({"error": "invalid_client_id"}, status=400)
        if asked.headers.get("Authorization") != "Bearer a-token":
            return Said([{"errorCode": "INVALID_SESSION_ID"}], status=401)
        path = "/services/data/v62.0/query"
        if asked.path == path:
            self.locators.append(self._select(asked.query["q"]))
            return self._page(path, len(self.locators) - 1, 0)
        if asked.path.startswith(path + "/01g-"):
            _, locator, begin = asked.path.rsplit("-", 2)
            return self._page(path, int(locator), int(begin))
        return Said([{"errorCode": "NOT_FOUND"}], status=404)

    def _page(self, path: str, locator: int, begin: int) -> Said:
        found, end = self.locators[locator], begin + self.size
        more = {"nextRecordsUrl": f"{path}/01g-{locator}-{end}"} if end < len(found) else {}
        return Said({"totalSize": len(found), "done": not more, **more, "records": found[begin:end]})

    def _select(self, soql: str) -> list[Row]:
        match = SOQL.fullmatch(soql)
        assert match, soql
        columns, table, where, order = match.groups()
        chosen = columns.split(", ")
        assert len(set(chosen)) == len(chosen), "Salesforce refuses a column that is named twice"
        conditions = where.split(" AND ")
        parsed = [CONDITION.fullmatch(condition) for condition in conditions]
        assert all(parsed), where
        rows = [row for row in self.tables[table] if all(_fits(row, one) for one in parsed if one)]
        rows.sort(key=lambda row: (str(row[order]), row["Id"]))
        names = ["attributes", *(column.split(".")[0] for column in chosen)]
        return [{name: row.get(name) for name in names} for row in rows]


def _fits(row: Row, condition: re.Match[str]) -> bool:
    name, operator, wanted = condition.groups()
    held = row.get(name)
    if operator == "IN":
        return str(held) in re.findall(r"'([^']*)'", wanted)
    if operator == "!=":
        return held is not None
    if operator == "=":
        return str(held).lower() == wanted.strip("'").lower()
    return held is None or str(held) >= wanted
