"""How Salesforce is asked: by SOQL, a page at a time, and for what belongs to a page's rows."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx

from leaderboard.plugin import Invalid, fetch_json, id_of, list_of, object_of, walk

API = "/services/data/v62.0"
USER, CASE = "005", "500"  # how the ids of users and of cases begin; a queue's is 00G
ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
MOST_IDS = 200

Row = dict[str, Any]
Ask = Callable[[Iterable[str], str, str, str], Iterator[list[Any]]]


@dataclass(frozen=True)
class Part:
    """One list of rows: what is asked for, and the column of time by which it is read."""

    name: str
    table: str
    columns: tuple[str, ...]
    at: str
    only: str = ""


@dataclass
class Around:
    """What belongs to a page of rows."""

    cases: dict[str, Row] = field(default_factory=dict)
    owners: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    """By case, when an owner left it, and who, the oldest change first."""
    staff: set[str] = field(default_factory=set)
    subjects: dict[str, str] = field(default_factory=dict)
    """By a survey's invitation, the case it was sent for."""
    words: dict[str, str] = field(default_factory=dict)

    def agents(self, case: str, moment: datetime) -> tuple[str, ...]:
        """Who owned the case then; nobody where it stood in a queue."""
        left = (old for at, old in self.owners.get(case, ()) if at > moment)
        owner = next(left, None) or id_of(self.cases[case].get("OwnerId"))
        return (owner,) if owner and owner.startswith(USER) else ()


def asking(http: httpx.Client, address: str, token: str) -> Ask:
    """How to ask with this token: columns, table, condition and the column of time -> pages of rows."""
    headers = {"Authorization": f"Bearer {token}"}

    def ask(columns: Iterable[str], table: str, where: str, at: str) -> Iterator[list[Any]]:
        chosen = ", ".join(dict.fromkeys(("Id", at, *columns)))
        soql = f"SELECT {chosen} FROM {table} WHERE {where} ORDER BY {at}, Id"  # noqa: S608  (ids, and names that were looked at)
        first = f"{address}{API}/query?{urlencode({'q': soql})}"
        for answer in walk(first, partial(fetch_json, http, headers=headers), partial(_following, address)):
            yield list_of(object_of(answer.json, "the answer").get("records"), "records")

    return ask


def _following(address: str, said: Any) -> str | None:
    said = object_of(said, "the answer")
    if said.get("done") is not False:
        return None
    following = said.get("nextRecordsUrl")
    if not isinstance(following, str):
        raise Invalid("Salesforce does not say where its list goes on")
    return urljoin(f"{address}/", following)


def each_of(
    ask: Ask, table: str, columns: tuple[str, ...], by: str, ids: Iterable[str], only: str = ""
) -> Iterator[Row]:
    """The rows with one of these ids, asked for so many at a time that an address can hold them."""
    wanted = sorted(ids)
    for start in range(0, len(wanted), MOST_IDS):
        where = f"{by} IN {quoted(wanted[start : start + MOST_IDS])}" + (f" AND {only}" if only else "")
        for rows in ask(columns, table, where, "CreatedDate"):
            yield from (object_of(item, "a row") for item in rows)


def ids_in(rows: Iterable[Any], name: str) -> set[str]:
    """What stands in a column and is an id: only that may go into a question."""
    found = (row.get(name) for row in rows if isinstance(row, dict))
    return {value for value in found if isinstance(value, str) and ID.fullmatch(value)}


def quoted(values: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
