"""ServiceNow: a pull of surveys, tickets, notes and articles; business rules tell of tickets and surveys at once."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Refused,
    Secret,
    beginning,
    fetch_json,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    read_each,
    refuse_unread,
    secret_matches,
    text_of,
    web_address,
    written,
)

# What the answer to the survey's question says; which values are good and bad is a setting.
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
# Resolved and closed, as each table numbers its states
SOLVED = {"incident": ("6", "7"), "sn_customerservice_case": ("6", "3")}
CUSTOMER = {"incident": "caller_id", "sn_customerservice_case": "contact"}

TICKET_FIELDS = ("number", "state", "assigned_to", "resolved_by", "resolved_at", "closed_at", "reopened_time")
RATING_FIELDS = (
    "actual_value",
    "instance",
    "instance.user",
    "instance.taken_on",
    "instance.task_id",
    "instance.task_id.assigned_to",
)
PER_PAGE = 100
TICKETS_PER_PAGE = 50  # their ids stand in the address of the next question, which has a limit of its own
MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=5)
NEWEST = timedelta(days=1)  # a rule tells of notes that are not older than this, seen from the change
OUR_HEADER = "X-Extra-Mile-Secret"


class ServiceNow(Plugin):
    """`[plugins.servicenow]`; the README beside this file says where to click for each of these."""

    title = "ServiceNow"
    proof = "token"  # a business rule signs nothing: it sends a secret of ours along
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "knowledge.shared",
        "promise.made",
        "promise.kept",
    )
    to_tick = (
        "Business rule: Incident · async · Insert, Update",
        "Business rule: Assessment Instance · async · Update",
    )
    to_grant = ("itil and assessment_admin, or roles that read the guide's tables",)

    address: str
    secret: Secret
    previous_secret: Secret | None = None
    api_user: str | None = None  # left out: the business rule only
    api_password: Secret | None = None
    table: Literal["incident", "sn_customerservice_case"] = "incident"
    rating_question: str | None = None  # the survey's question that rates; left out: no ratings
    words_question: str | None = None  # the survey's question for the customer's own words
    good_values: tuple[int, ...] = (4, 5)
    bad_values: tuple[int, ...] = (1, 2)
    promise_field: str = "due_date"  # the column with the promised time; "" for no promises
    read_notes: bool = True
    read_articles: bool = False
    agent_role: str = "itil"  # who has it is an agent
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)

    @field_validator("rating_question", "words_question")
    @classmethod
    def _is_sys_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9a-f]{32}", value):
            raise ValueError("write the question's sys_id: 32 letters and digits")
        return value

    @field_validator("promise_field", "agent_role")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9_.]{0,80}", value):
            raise ValueError('write the name as ServiceNow has it: small letters, digits and "_"')
        return value

    def verify(self, delivery: Delivery) -> None:
        """A header with a secret of ours, as the business rule in the README sets it."""
        if not secret_matches((self.secret, self.previous_secret), delivery.header(OUR_HEADER)):
            raise Refused(f"{OUR_HEADER} is not our secret; compare the business rule's header with it")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A ticket or a survey by the scripts in the README, which name columns as the tables do; nothing for other bodies."""
        body = object_of(delivery.json(), "the body")
        if body.get("extra_mile") == "ticket":
            ticket = object_of(body.get("ticket"), "ticket")
            yield from self._ticket(ticket)
            since = _time(ticket.get("sys_updated_on")) - NEWEST
            for item in list_of(body.get("notes") or [], "notes"):
                note = object_of(item, "a note")
                author = {name: id_of(note.get("author")) for name in _signed(note)}
                if _time(note.get("sys_created_on")) >= since:
                    yield from self._note(note, {_sys_id(ticket.get("sys_id")): ticket}, author)
        elif body.get("extra_mile") == "rating":
            rating = object_of(body.get("rating"), "rating")
            words = text_of(body.get("words") or "").strip()
            yield from self._rating(rating, dict.fromkeys(_ids(rating, "instance"), words))

    def api_url(self) -> str | None:
        return self.address if self.api_user and self.api_password else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the survey's answers, then the tickets that changed with their notes, then articles.

        The cursor is a query string of moments, `ratings`, `tickets` and `articles`: up to where each was read, in the order
        of their change.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            served_at = self._get(http, "sys_user", "active=true", ("sys_id",), 1).served_at
            begin = iso(beginning(self.pull_from, served_at))
            place = dict.fromkeys(("ratings", "tickets", "articles"), begin)
        unread: list[str] = []
        if self.rating_question:
            query = f"metric={self.rating_question}"
            for rows, begin_at in self._changed(
                http, "ratings", "asmt_metric_result", query, RATING_FIELDS, place
            ):
                events = read_each(rows, partial(self._rating, words=self._words(http, rows)), unread)
                yield Page(tuple(events), _cursor(place, "ratings", begin_at))
        fields = (*TICKET_FIELDS, CUSTOMER[self.table], *filter(None, [self.promise_field]))
        notes_from = _moment(place, "tickets") - OVERLAP
        for rows, begin_at in self._changed(http, "tickets", self.table, "", fields, place):
            events = read_each(rows, self._ticket, unread)
            if self.read_notes and rows:
                events += self._notes(http, rows, notes_from, unread)
            yield Page(tuple(events), _cursor(place, "tickets", begin_at))
        if self.read_articles:
            fields = ("number", "author", "short_description")
            query = "workflow_state=published"
            for rows, begin_at in self._changed(http, "articles", "kb_knowledge", query, fields, place):
                yield Page(
                    tuple(read_each(rows, self._article, unread)), _cursor(place, "articles", begin_at)
                )
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _rating(self, item: Any, words: dict[str, str]) -> Iterator[Event]:
        """A survey's answer to the question that rates, with what was written under the other question."""
        row = object_of(item, "an answer")
        survey, ticket = _reference(row, "instance"), _reference(row, "instance.task_id")
        if survey is None:
            raise Invalid("an answer does not say of which survey it is")
        text = words.get(survey) or None
        value = text_of(row.get("actual_value") or "", 40)
        number = int(value.split(".")[0]) if re.fullmatch(r"[0-9]{1,9}(\.0+)?", value) else None
        if number in self.bad_values:
            word = "bad"
        elif number in self.good_values:
            word = "thanks" if text else "good"
        else:
            return
        if ticket is None:
            return  # a survey about something else than a ticket
        # The survey does not say who was rated: it is whose ticket this is
        agent, customer = _reference(row, "instance.task_id.assigned_to"), _reference(row, "instance.user")
        yield Event(
            key=f"rating/{survey}/{word}",
            kind=RATING_KINDS[word],
            occurred_at=_time(row.get("instance.taken_on") or row.get("sys_updated_on")),
            agents=(agent,) if agent else (),
            customer=customer,
            object=f"rating/{ticket}",  # a later survey about the same ticket mends an earlier one
            ticket=ticket,
            text=text,
            url=self._link(ticket),
        )

    def _words(self, http: httpx.Client, rows: list[Any]) -> dict[str, str]:
        """What customers wrote, by survey."""
        surveys = read_each(rows, lambda row: _ids(row, "instance"), [])
        if not self.words_question or not surveys:
            return {}
        query = f"metric={self.words_question}^instanceIN{','.join(surveys)}"
        answer = self._get(http, "asmt_metric_result", query, ("instance", "string_value"), PER_PAGE)
        found: dict[str, str] = {}
        for row in _result(answer):
            for survey in read_each([row], lambda row: _ids(row, "instance"), []):
                found[survey] = text_of(row.get("string_value") or "").strip()
        return found

    def _ticket(self, item: Any) -> list[Event]:
        """What has happened to a ticket, from its own time stamps."""
        row = object_of(item, "a ticket")
        number, owner = _sys_id(row.get("sys_id")), _reference(row, "assigned_to")
        state, changed_at = id_of(row.get("state")), _time(row.get("sys_updated_on"))
        customer = _reference(row, CUSTOMER[self.table])
        solved = row.get("resolved_at") or row.get("closed_at")
        solved_at = _time(solved) if solved and state in SOLVED[self.table] else None
        solver = _reference(row, "resolved_by") or owner

        def event(kind: Kind, key: str, at: datetime, agent: str | None, **more: Any) -> Event:
            agents = (agent,) if agent else ()
            link = self._link(number)
            return Event(key=key, kind=kind, occurred_at=at, agents=agents, ticket=number, url=link, **more)

        about, found = f"ticket/{number}", list[Event]()
        if solved_at:
            key = f"{about}/solved/{iso(solved_at)}"
            found.append(event("ticket.solved", key, solved_at, solver, object=about))
        if row.get("reopened_time"):
            at = _time(row["reopened_time"])
            found.append(event("ticket.reopened", f"{about}/reopened/{iso(at)}", at, None, object=about))
        if self.promise_field and row.get(self.promise_field):
            # The tables hold UTC; https://www.servicenow.com/docs (Table API, sysparm_display_value=false)
            due_at, about = parse_due(row[self.promise_field], "UTC"), f"promise/{number}"
            more = {"object": about, "due_at": due_at, "customer": customer}
            # On record since the change that we see: when the due time was set, the ticket does not tell
            found.append(event("promise.made", f"{about}/made/{iso(due_at)}", changed_at, owner, **more))
            if solved_at:
                key = f"{about}/kept/{iso(solved_at)}"
                found.append(event("promise.kept", key, solved_at, owner, object=about))
        return found

    def _notes(self, http: httpx.Client, rows: list[Any], begin: datetime, unread: list[str]) -> list[Event]:
        """Who wrote on these tickets: a work note on a colleague's ticket is help, a comment to the customer an answer.

        The words stay in ServiceNow: a note between colleagues was not written for a wall.
        """
        tickets = {number: row for row in rows for number in read_each([row], lambda row: _ids(row), [])}
        if not tickets:
            return []
        query = f"element_idIN{','.join(tickets)}^elementINwork_notes,comments"
        fields = ("element", "element_id", "sys_created_by")
        pages = self._rows(http, "sys_journal_field", query, fields, begin, by="sys_created_on")
        notes = [note for page, _ in pages for note in page]
        # A note names its author as they sign in; `^` and `,` would be read as parts of the question
        signed = set(read_each(notes, _signed, []))
        names = sorted(name for name in signed if re.fullmatch(r"[^\^,]{1,100}", name) and name.isprintable())
        accounts: dict[str, str | None] = {}
        for first in range(0, len(names), TICKETS_PER_PAGE):
            query = f"user_nameIN{','.join(names[first : first + TICKETS_PER_PAGE])}"
            for user in _result(self._get(http, "sys_user", query, ("sys_id", "user_name"), PER_PAGE)):
                accounts[text_of(user.get("user_name") or "")] = _sys_id(user.get("sys_id"))
        return read_each(notes, lambda note: self._note(note, tickets, accounts), unread)

    def _note(self, item: Any, tickets: dict[str, Any], accounts: dict[str, str | None]) -> Iterator[Event]:
        note = object_of(item, "a note")
        number, ticket = _sys_id(note.get("sys_id")), _sys_id(note.get("element_id"))
        if ticket not in tickets:
            return
        author, helps = accounts.get(_signed(note)[0]), note.get("element") == "work_notes"
        owner = _reference(tickets[ticket], "assigned_to")
        if author is None or author == _reference(tickets[ticket], CUSTOMER[self.table]):
            return  # a machine's, or the customer's own
        at, url = _time(note.get("sys_created_on")), self._link(ticket)
        yield from written(f"note/{number}", author, owner, at, private=helps, ticket=ticket, url=url)

    def _article(self, item: Any) -> Iterator[Event]:
        """A published article; its versions share a number, so it counts once."""
        row = object_of(item, "an article")
        number, author, title = (
            id_of(row.get("number")),
            _reference(row, "author"),
            row.get("short_description"),
        )
        if number is None:
            raise Invalid("an article has no number")
        if author:
            yield Event(
                key=f"article/{number}/published",
                kind="knowledge.shared",
                occurred_at=_time(row.get("sys_updated_on")),
                agents=(author,),
                object=f"article/{number}",
                url=f"{self.address}/kb_view.do?sys_kb_id={_sys_id(row.get('sys_id'))}",
                evidence={"title": text_of(title, 200)} if title else {},
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """Who has `agent_role`; a table of users alone would list every customer too. A role may come by several groups."""
        fields = ("user", "user.name", "user.email", "user.web_service_access_only")
        query = f"role.name={self.agent_role}^user.active=true"
        seen = set[str]()
        start = datetime(1970, 1, 1, tzinfo=UTC)
        for rows, _ in self._rows(http, "sys_user_has_role", query, fields, start):
            for item in rows:
                row = object_of(item, "a role")
                number = _reference(row, "user")
                if number and number not in seen:
                    seen.add(number)
                    name = text_of(row.get("user.name") or number, 200)
                    bot = row.get("user.web_service_access_only") in ("true", True)
                    yield Account(number, id_of(row.get("user.email")), name, bot=bot)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The header that the business rule sets."""
        return {OUR_HEADER: self.secret.get_secret_value()}

    def _changed(
        self,
        http: httpx.Client,
        name: str,
        table: str,
        query: str,
        fields: tuple[str, ...],
        place: dict[str, str],
    ) -> Iterator[tuple[list[Any], datetime]]:
        """A table's rows since its place in the cursor, page by page, and up to when everything was read."""
        began: datetime | None = None
        known = _moment(place, name)
        for rows, answer in self._rows(http, table, query, fields, known - OVERLAP):
            # When the reading began, by ServiceNow's clock: what changes from now on is read next time
            began = began or answer.served_at or known
            read_to = _time(rows[-1].get("sys_updated_on")) if rows else began
            known = max(known, min(read_to, answer.served_at or read_to))
            yield rows, known

    def _rows(
        self,
        http: httpx.Client,
        table: str,
        query: str,
        fields: tuple[str, ...],
        begin: datetime,
        by: str = "sys_updated_on",
    ) -> Iterator[tuple[list[Any], Answer]]:
        """A table's rows in the order of their change, the last page empty. Not by offset: rows that change would shift it."""
        at, after = begin, ""
        size = TICKETS_PER_PAGE if table == self.table else PER_PAGE
        for _ in range(MOST_PAGES):
            stamp = f"{at:%Y-%m-%d %H:%M:%S}"
            # ^OR binds to the condition before it: from this moment on, and past it or past this row
            following = f"^{by}>{stamp}^ORsys_id>{after}" if after else ""
            asked = f"{query}^{by}>={stamp}{following}^ORDERBY{by}^ORDERBYsys_id".removeprefix("^")
            answer = self._get(http, table, asked, (*fields, "sys_id", by), size)
            rows = _result(answer)
            if not rows and 'rel="next"' in answer.headers.get("link", ""):
                raise Invalid(
                    f"ServiceNow hides rows of {table} from api_user; give it a role that reads them"
                )
            yield rows, answer
            if not rows:
                return
            here = _time(rows[-1].get(by)), _sys_id(rows[-1].get("sys_id"))
            if here <= (at, after):
                raise Invalid(f"the list of {table} goes round in a circle")
            at, after = here
        raise Invalid(f"{table} has more than {MOST_PAGES:,} pages at once; set pull_from to a later date")

    def _get(self, http: httpx.Client, table: str, query: str, fields: tuple[str, ...], limit: int) -> Answer:
        """Rows of a table, in the form in which it holds them: times in UTC, references as their sys_id."""
        asked = {
            "sysparm_query": query,
            "sysparm_fields": ",".join(fields),
            "sysparm_limit": str(limit),
            "sysparm_display_value": "false",
            "sysparm_exclude_reference_link": "true",
        }
        password = self.api_password.get_secret_value() if self.api_password else ""
        url = f"{self.address}/api/now/table/{table}?{urlencode(asked)}"
        return fetch_json(http, url, auth=httpx.BasicAuth(self.api_user or "", password))

    def _link(self, ticket: str) -> str:
        return f"{self.address}/{self.table}.do?sys_id={ticket}"


def _result(answer: Answer) -> list[Any]:
    rows = list_of(object_of(answer.json, "the answer").get("result"), "result")
    return [object_of(row, "a row") for row in rows]


def _sys_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{32}", value):
        raise Invalid("there is no sys_id where ServiceNow puts one")
    return value


def _reference(row: dict[str, Any], name: str) -> str | None:
    """The sys_id that a column points to, written bare or with its link; None where it is empty."""
    value = row.get(name)
    return id_of(value.get("value") if isinstance(value, dict) else value)


def _ids(row: Any, name: str = "sys_id") -> list[str]:
    """Of a row, for a question about it: only what cannot be read as another part of the question."""
    found = _reference(object_of(row, "a row"), name)
    return [_sys_id(found)] if found else []


def _signed(note: Any) -> list[str]:
    return [text_of(object_of(note, "a note").get("sys_created_by"))]


def _time(value: Any) -> datetime:
    return parse_time(
        value, assume_utc=True
    )  # the Table API answers in UTC unless display values are asked for


def _cursor(place: dict[str, str], name: str, moment: datetime) -> str:
    place[name] = iso(moment)
    return urlencode(place)


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
