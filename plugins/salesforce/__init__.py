"""Salesforce Service Cloud: a pull of cases' history, milestones, comments, mails, posts, surveys and articles by SOQL."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import field_validator

from leaderboard.plugin import (
    Account,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Secret,
    beginning,
    fetch_token,
    id_of,
    iso,
    object_of,
    parse_due,
    parse_time,
    read_each,
    refuse_unread,
    text_of,
    web_address,
    zone_name,
)

from .soql import CASE, ID, USER, Around, Ask, Part, Row, asking, each_of, ids_in, quoted

RATED: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
# What the history calls a change of owner:
# https://developer.salesforce.com/docs/platform/object-reference/references/standard-objects/object-casehistory.html
OWNED = ("Owner", "ownerAssignment", "ownerAccepted", "ownerEscalated")
SENT = "3"  # of EmailMessage.Status
OVERLAP = timedelta(minutes=5)  # a row is dated when it is saved, and seen when that is committed
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


class Salesforce(Plugin):
    """`[plugins.salesforce]`; the README beside this file says where to click for each of these."""

    title = "Salesforce Service Cloud"
    sends = False  # its outbound messages are SOAP without a signature, its events a subscription: neither is a webhook
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
    to_grant = (
        "API Enabled",
        "View All on Cases",
        "Read on the fields, surveys and articles that the section names",
        "View Setup and Configuration (milestones), View All Data (posts)",
    )

    address: str
    client_id: str
    client_secret: Secret
    closed_statuses: tuple[str, ...] = ("Closed",)
    rating_field: str | None = None  # of cases; its history is tracked
    words_field: str | None = None
    rating_question: str | None = None  # ids of Salesforce Surveys' questions
    words_question: str | None = None
    good_ratings: tuple[str, ...] = ("4", "5")
    bad_ratings: tuple[str, ...] = ("1", "2")
    promise_field: str | None = None  # of cases; its history is tracked
    milestones: bool = False  # whether service levels are promises
    read_posts: bool = False  # of the case feed
    articles: str | None = None  # "Knowledge__kav": published articles count
    timezone: str = "UTC"  # of a promised day, which is kept until its end
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    @field_validator("rating_field", "words_field", "promise_field", "articles")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not NAME.fullmatch(value):
            raise ValueError('write its API name, as "CSAT__c"')
        return value

    @field_validator("rating_question", "words_question")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        if value is not None and not ID.fullmatch(value):
            raise ValueError("write the question's id: 15 or 18 letters and digits")
        return value

    def api_url(self) -> str | None:
        return self.address

    # ------------------------------------------------------------ the pull

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """Each list after the other, the oldest rows first; what belongs to a page's rows is asked for with it.

        The cursor is a query string of moments, one for each list: up to when its rows were read.
        """
        ask, served_at = self._signed_in(http)
        place = dict(parse_qsl(since or "", max_num_fields=20))
        if since is not None and "history" not in place:
            raise Invalid("the cursor holds no `history`; it was not written by this plugin")
        unread: list[str] = []
        for part in self._parts():
            # A list that was switched on since begins as a first pull would
            known = place.get(part.name)
            start = parse_time(known) if known else beginning(self.pull_from, served_at)
            where = f"{part.at} >= {iso(start - OVERLAP)}" + (f" AND {part.only}" if part.only else "")
            place[part.name] = iso(start)
            for rows in ask(part.columns, part.table, where, part.at):
                around = self._around(ask, rows)
                events = read_each(rows, partial(self._read, part.name, around), unread)
                moments = read_each(rows, partial(_moments, part.at), [])
                place[part.name] = max([place[part.name], *map(iso, moments)])
                yield Page(tuple(events), urlencode(place))
            place[part.name] = max(place[part.name], iso(served_at or start))
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _parts(self) -> Iterator[Part]:
        tracked = [name for name in ("Status", self.rating_field, self.promise_field) if name]
        changes = ("CaseId", "Field", "OldValue", "NewValue", "CreatedById")
        yield Part("history", "CaseHistory", changes, "CreatedDate", f"Field IN {quoted(tracked)}")
        if self.rating_question:
            answers = ("ResponseId", "InvitationId", "NumberValue", "ChoiceValue")
            asked = f"QuestionId = '{self.rating_question}'"
            yield Part("answers", "SurveyQuestionResponse", answers, "CreatedDate", asked)
        if self.milestones:
            steps = ("CaseId", "TargetDate", "CompletionDate", "CreatedDate", "MilestoneType.Name")
            yield Part("milestones", "CaseMilestone", steps, "SystemModstamp")
        written = ("ParentId", "CreatedById")
        yield Part("comments", "CaseComment", (*written, "IsPublished"), "CreatedDate")
        sent = f"Incoming = false AND Status = '{SENT}' AND ParentId != null"  # without: of no case
        yield Part("mails", "EmailMessage", written, "CreatedDate", sent)
        if self.read_posts:
            yield Part(
                "posts", "CaseFeed", written, "CreatedDate", "Type IN ('TextPost', 'ContentPost', 'LinkPost')"
            )
        if self.articles:
            shown = "PublishStatus = 'Online' AND IsMasterLanguage = true"
            by = ("KnowledgeArticleId", "CreatedById")
            yield Part("articles", self.articles, by, "FirstPublishedDate", shown)

    def _around(self, ask: Ask, rows: list[Any]) -> Around:
        """The cases that these rows belong to, with their changes of owner; and which authors are one's own staff."""
        around = Around()
        each = partial(each_of, ask)
        for row in each("SurveySubject", ("SubjectId", "ParentId"), "ParentId", ids_in(rows, "InvitationId")):
            if str(row.get("SubjectId")).startswith(CASE):
                around.subjects[str(row.get("ParentId"))] = str(row["SubjectId"])
        if self.words_question:
            columns, only = ("ResponseId", "ResponseShortText"), f"QuestionId = '{self.words_question}'"
            for row in each(
                "SurveyQuestionResponse", columns, "ResponseId", ids_in(rows, "ResponseId"), only
            ):
                around.words[str(row.get("ResponseId"))] = text_of(row.get("ResponseShortText") or "").strip()
        cases = {*ids_in(rows, "CaseId"), *ids_in(rows, "ParentId"), *around.subjects.values()}
        cases = {case for case in cases if case.startswith(CASE)}
        wanted = (
            "OwnerId",
            "ContactId",
            *filter(None, (self.rating_field, self.words_field, self.promise_field)),
        )
        around.cases = {str(row.get("Id")): row for row in each("Case", wanted, "Id", cases)}
        only = f"Field IN {quoted(OWNED)}"
        for row in each("CaseHistory", ("CaseId", "OldValue"), "CaseId", cases, only):
            old = row.get("OldValue")
            # Each change is there twice, with names and with ids; the page above says so
            if isinstance(old, str) and ID.fullmatch(old):
                left = (parse_time(row.get("CreatedDate")), old)
                around.owners.setdefault(str(row.get("CaseId")), []).append(left)
        staff = each("User", (), "Id", ids_in(rows, "CreatedById"), "UserType = 'Standard'")
        around.staff = {str(row.get("Id")) for row in staff}
        return around

    # ------------------------------------------------------------ what a row says

    def _read(self, name: str, around: Around, item: Any) -> Iterable[Event]:
        row = object_of(item, "a row")
        if name == "articles":
            return list(self._article(row))
        if name == "answers":
            return list(self._answered(row, around))
        case = id_of(row.get("ParentId" if name in ("comments", "mails", "posts") else "CaseId"))
        if case is None:
            raise Invalid("a row does not say which case it belongs to")
        if case not in around.cases:  # gone meanwhile, or a mail about something else
            return ()
        if name == "history":
            return list(self._changed(row, case, around))
        if name == "milestones":
            return list(self._milestone(row, case, around))
        return list(self._written(name, row, case, around))

    def _changed(self, row: Row, case: str, around: Around) -> Iterator[Event]:
        """A change of a case's status, rating or promised time."""
        moment, field, number = parse_time(row.get("CreatedDate")), row.get("Field"), id_of(row.get("Id"))
        old, new, agents = row.get("OldValue"), row.get("NewValue"), around.agents(case, moment)
        if not isinstance(field, str) or number is None:
            raise Invalid("a change does not say what was changed")
        if field == self.rating_field:
            # The words are those of now: an earlier rating had others
            held = around.cases[case] if _said(around.cases[case].get(field)) == _said(new) else {}
            words = text_of(held.get(self.words_field or "") or "").strip()
            by = id_of(row.get("CreatedById"))
            # Who enters their own rating earns nothing; a survey writes as nobody's colleague
            yield from self._rated(number, case, new, words, moment, around, by if by in agents else None)
        elif field == self.promise_field and new:
            yield self._promised(f"promise/{case}", case, parse_due(new, self.timezone), moment, around)
        elif field == "Status":
            was, closed = old in self.closed_statuses, new in self.closed_statuses
            if was != closed:
                kind: Kind = "ticket.solved" if closed else "ticket.reopened"
                key, credit = f"{kind}/{case}/{iso(moment)}", agents if closed else ()
                about: dict[str, Any] = {"object": f"case/{case}", "ticket": case, "url": self._link(case)}
                yield Event(key, kind, moment, credit, **about)
            if closed and not was and around.cases[case].get(self.promise_field or ""):
                yield self._kept(f"promise/{case}", case, moment, around)

    def _answered(self, row: Row, around: Around) -> Iterator[Event]:
        """The answer to the survey's question, with the words of the other one."""
        response, case = id_of(row.get("ResponseId")), around.subjects.get(str(row.get("InvitationId")))
        if response is None:
            raise Invalid("an answer does not say which response it belongs to")
        if case and case in around.cases:
            value = row.get("NumberValue") if row.get("NumberValue") is not None else row.get("ChoiceValue")
            words, moment = around.words.get(response, ""), parse_time(row.get("CreatedDate"))
            yield from self._rated(response, case, value, words, moment, around, None)

    def _rated(
        self,
        name: str,
        case: str,
        value: Any,
        words: str,
        moment: datetime,
        around: Around,
        giver: str | None,
    ) -> Iterator[Event]:
        said = _said(value)
        told = "good" if said in self.good_ratings else "bad" if said in self.bad_ratings else None
        if told:
            told = "thanks" if told == "good" and words else told
            yield Event(
                f"rating/{name}/{told}",
                RATED[told],
                moment,
                around.agents(case, moment),
                giver=giver,
                customer=id_of(around.cases[case].get("ContactId")),
                object=f"rating/{case}",
                ticket=case,
                text=words or None,
                url=self._link(case),
            )

    def _milestone(self, row: Row, case: str, around: Around) -> Iterator[Event]:
        number, target, done = id_of(row.get("Id")), row.get("TargetDate"), row.get("CompletionDate")
        if number is None:
            raise Invalid("a milestone has no id")
        named = object_of(row.get("MilestoneType"), "MilestoneType").get("Name")
        if target:
            due_at, made_at = parse_time(target), parse_time(row.get("CreatedDate"))
            what = text_of(named or "") or None
            yield self._promised(f"milestone/{number}", case, due_at, made_at, around, what)
        if done:
            yield self._kept(f"milestone/{number}", case, parse_time(done), around)

    def _promised(
        self,
        thing: str,
        case: str,
        due_at: datetime,
        moment: datetime,
        around: Around,
        what: str | None = None,
    ) -> Event:
        return Event(
            f"{thing}/made/{iso(due_at)}",
            "promise.made",
            moment,
            around.agents(case, moment),
            customer=id_of(around.cases[case].get("ContactId")),
            object=thing,
            ticket=case,
            text=what,
            url=self._link(case),
            due_at=due_at,
        )

    def _kept(self, thing: str, case: str, moment: datetime, around: Around) -> Event:
        agents, url = around.agents(case, moment), self._link(case)
        return Event(
            f"{thing}/kept/{iso(moment)}", "promise.kept", moment, agents, object=thing, ticket=case, url=url
        )

    def _written(self, name: str, row: Row, case: str, around: Around) -> Iterator[Event]:
        """A mail or a published comment is an answer; a private comment or a post is help, on a colleague's case."""
        number, author, moment = (
            id_of(row.get("Id")),
            id_of(row.get("CreatedById")),
            parse_time(row.get("CreatedDate")),
        )
        if number is None or author not in around.staff or author is None:
            return
        url, thing = self._link(case), f"case/{case}"
        if name == "mails" or row.get("IsPublished") is True:
            yield Event(
                f"{name}/{number}", "ticket.replied", moment, (author,), object=thing, ticket=case, url=url
            )
        else:
            owner = next(iter(around.agents(case, moment)), None)
            if owner not in (None, author):
                # The words stay in Salesforce: a note between colleagues was not written for a wall
                yield Event(
                    f"{name}/{number}", "help.given", moment, (author,), giver=owner, ticket=case, url=url
                )

    def _article(self, row: Row) -> Iterator[Event]:
        number, author = id_of(row.get("KnowledgeArticleId")), id_of(row.get("CreatedById"))
        if number is None:
            raise Invalid("an article has no id")
        if author and author.startswith(USER):
            thing, moment = f"article/{number}", parse_time(row.get("FirstPublishedDate"))
            yield Event(f"{thing}/published", "knowledge.shared", moment, (author,), object=thing)

    # ------------------------------------------------------------ accounts, and how Salesforce is asked

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The active users of one's own company. Salesforce lets nobody use an address that was not verified."""
        ask, _ = self._signed_in(http)
        columns = ("Email", "Name")
        for rows in ask(columns, "User", "IsActive = true AND UserType = 'Standard'", "CreatedDate"):
            for item in rows:
                user = object_of(item, "a user")
                number = id_of(user.get("Id"))
                if number:
                    yield Account(
                        number, id_of(user.get("Email")), text_of(user.get("Name") or "", 200) or number
                    )

    def _signed_in(self, http: httpx.Client) -> tuple[Ask, datetime | None]:
        """How to ask, with a new token, and what time it is in Salesforce."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
        }
        url = f"{self.address}/services/oauth2/token"
        token, served_at = fetch_token(http, url, form, "address, client_id and client_secret")
        return asking(http, self.address, token), served_at

    def _link(self, case: str) -> str:
        return f"{self.address}/{case}"


def _said(value: Any) -> str:
    """A rating as the settings write it, whether it came as 5, 5.0 or "5"."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moments(at: str, item: Any) -> list[datetime]:
    return [parse_time(object_of(item, "a row").get(at))]
