"""Zammad: signed webhooks of triggers, in its own form and by four short templates, and a pull of tickets and articles."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
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
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_time,
    plain_text,
    promised,
    read_each,
    refuse_unread,
    text_of,
    web_address,
    written,
)

# What a template's `extra_mile` says. Zammad has no survey of its own: ratings are what a trigger makes of a tag or a field.
TOLD: dict[str, Kind] = {
    "thanks": "thanks.received",
    "good": "rating.good",
    "bad": "rating.bad",
    "reopened": "ticket.reopened",
}
NOBODY = "1"  # the user "-": owns what nobody owns, and does what the system does
MERGED = "merged"

PER_PAGE = 50
MOST_PAGES = 200  # a search ends at 10,000 results
RECENT = timedelta(
    days=1
)  # a webhook brings the newest article with every change; an older one came with its own
OVERLAP = timedelta(minutes=5)  # a change is found by the search some seconds later


class Zammad(Plugin):
    """`[plugins.zammad]`; the README beside this file says where to click for each of these."""

    title = "Zammad"
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
        "fact.withdrawn",
    )
    to_tick = (
        "Trigger · Activated by: Action · Execution: always · Action is created or updated",
        "Execute: Webhook · Extra Mile",
    )
    to_grant = ("ticket.agent", "admin.user", "knowledge_base.editor, with knowledge_base = true")

    address: str
    secret: Secret
    previous_secret: Secret | None = None
    api_token: Secret | None = None  # left out: webhooks only
    thanks_tag: str = "thanks"
    solved_states: tuple[str, ...] = ("closed",)
    promise_field: str = "promised_for"  # an attribute of tickets that holds a time
    sla_promises: bool = False  # whether a service level's time of first answer is a promise
    read_articles: bool = True  # one more request for each ticket that changed
    knowledge_base: bool = False
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)

    def verify(self, delivery: Delivery) -> None:
        """`sha1=` and the hex HMAC-SHA1 of the body; https://admin-docs.zammad.org/en/latest/manage/webhook/add.html

        There is no time stamp in it, so an old delivery can be sent again: it carries the same facts and earns nothing new.
        """
        algorithm, _, claimed = delivery.header("X-Hub-Signature").partition("=")
        secrets = (self.secret, self.previous_secret)
        matches = hmac_matches(secrets, delivery.body, claimed, algorithm="sha1", encoding="hex")
        if not matches or algorithm != "sha1":
            raise Refused("the signature does not match; compare the webhook's HMAC SHA1 signature token")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a ticket in Zammad's own form, or of a template in the README; nothing for any other body."""
        body = object_of(delivery.json(), "the body")
        told = body.get("extra_mile")
        if isinstance(told, str) and told in TOLD:
            yield self._told(told, body)
        elif "extra_mile" not in body and isinstance(body.get("ticket"), dict):
            ticket, article = body["ticket"], object_of(body.get("article"), "article")
            begin = parse_time(ticket.get("updated_at")) - RECENT
            yield from self._ticket(ticket, begin)
            if article:
                yield from self._article(ticket, article, begin)

    def _told(self, told: str, body: dict[str, Any]) -> Event:
        """What a trigger tells by one of the README's templates."""
        number, moment = _ticket_id(body.get("ticket")), _moment(body.get("at"))
        agent, by = _user(body.get("agent")), _user(body.get("by"))
        if told == "reopened":
            about = f"ticket/{number}"
            return Event(f"{about}/reopened/{iso(moment)}", TOLD[told], moment, object=about, ticket=number)
        words = body.get("words") if body.get("sender") in (None, "", "Customer") else None
        is_html = "html" in text_of(body.get("type") or "", 100)
        return self._rated(
            told,
            number,
            agent,
            id_of(body.get("customer")),
            plain_text(words) if is_html and words else words,
            moment,
            giver=by,  # who set the tag: nobody earns by tagging a message as thanks to themselves
        )

    def _rated(
        self,
        told: str,
        number: str,
        agent: str | None,
        customer: str | None,
        words: Any,
        moment: datetime,
        giver: str | None = None,
    ) -> Event:
        text = text_of(words or "").strip() or None
        return Event(
            key=f"rating/{number}/{told}",
            kind=TOLD[told],
            occurred_at=moment,
            agents=(agent,) if agent else (),
            giver=giver,
            customer=customer,
            object=f"rating/{number}",
            ticket=number,
            text=text,
            url=self._link(number),
        )

    def _ticket(self, ticket: dict[str, Any], begin: datetime) -> Iterator[Event]:
        """What a ticket's own times say, the same by webhook and by pull; nothing of what was answered before `begin`."""
        number, changed_at = _ticket_id(ticket.get("id")), parse_time(ticket.get("updated_at"))
        agent, state = _user(ticket.get("owner_id")), ticket.get("state")
        if state == MERGED:
            yield from self._merged(number, changed_at)
            return
        # `close_at` is the first closing; newer versions know the last one as well
        closed_at = ticket.get("last_close_at") or ticket.get("close_at")
        solved_at = parse_time(closed_at) if state in self.solved_states and closed_at else None
        agents = (agent,) if agent else ()
        whose: dict[str, Any] = {"ticket": number, "url": self._link(number)}
        if solved_at:
            about = f"ticket/{number}"
            key = f"{about}/solved/{iso(solved_at)}"
            yield Event(key, "ticket.solved", solved_at, agents, object=about, **whose)
        due = ticket.get(self.promise_field)
        if due:
            about, due_at = f"promise/{number}", parse_time(due)
            yield from promised(about, agents, changed_at, due_at, solved_at, **whose)
        if self.sla_promises:
            due, answered = ticket.get("first_response_escalation_at"), ticket.get("first_response_at")
            answered_at = parse_time(answered) if answered else None
            if answered_at >= begin if answered_at else due:
                # On record since the ticket came in: Zammad works the time out from there
                about, made_at = f"promise/{number}/response", parse_time(ticket.get("created_at"))
                by = parse_time(due) if due else None
                yield from promised(about, agents, made_at, by, answered_at, **whose)

    def _merged(self, number: str, moment: datetime) -> Iterator[Event]:
        """The merged ticket lives on in another, so what was rated on it no longer stands."""
        for word in ("thanks", "good", "bad"):
            yield Event(
                key=f"ticket/{number}/merged/{word}",
                kind="fact.withdrawn",
                occurred_at=moment,
                object=f"rating/{number}/{word}",
                ticket=number,
            )

    def _article(self, ticket: dict[str, Any], article: dict[str, Any], begin: datetime) -> Iterator[Event]:
        """An agent's internal article on a colleague's ticket is help; a public one makes a recovery possible."""
        number, author = id_of(article.get("id")), _user(article.get("created_by_id"))
        owner, internal = _user(ticket.get("owner_id")), article.get("internal")
        if not isinstance(internal, bool):
            raise Invalid("the article does not say whether it is internal")
        if number is None or author is None or article.get("sender") != "Agent":
            return
        moment = parse_time(article.get("created_at"))
        if moment >= begin:
            home = _ticket_id(ticket.get("id"))
            whose: dict[str, Any] = {"private": internal, "ticket": home, "url": self._link(home)}
            yield from written(f"article/{number}", author, owner, moment, **whose)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The tickets that changed with their articles, then those tagged as thanks, then the knowledge base.

        The cursor is a query string of moments: `tickets` and `thanks` up to which all changes were read (they come in the
        order of their change), `answers` up to which those of the knowledge base were.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            served_at = self._get(http, "users/me", {}).served_at
            place = dict.fromkeys(("tickets", "thanks", "answers"), iso(beginning(self.pull_from, served_at)))
        unread: list[str] = []
        yield from self._search(http, place, "tickets", "", unread)
        yield from self._search(http, place, "thanks", f"tags:{_quoted(self.thanks_tag)} AND ", unread)
        if self.knowledge_base:
            yield Page(tuple(self._answers(http, place, unread)), urlencode(place))
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _search(
        self, http: httpx.Client, place: dict[str, str], name: str, terms: str, unread: list[str]
    ) -> Iterator[Page]:
        begin = _place(place, name) - OVERLAP
        read = partial(self._pulled if name == "tickets" else self._thanked, http, begin)
        query = {
            "query": f"{terms}updated_at:[{iso(begin)} TO *]",
            "sort_by": "updated_at",
            "order_by": "asc",
        }
        query |= {"expand": "true", "per_page": str(PER_PAGE)}
        before: list[Any] = []
        until: datetime | None = None
        for page in range(1, MOST_PAGES + 1):
            answer = self._get(http, "tickets/search", {**query, "page": str(page)})
            items = list_of(answer.json, "the list of tickets")
            until = (
                until or answer.served_at
            )  # when the reading began: what changes from now on is read next time
            # A page may be shorter than was asked for, where the account may not see a ticket: only an empty one is the end
            if not items or items == before:
                place[name] = max(place[name], iso(until or begin))
                return
            before = items
            events = read_each(items, read, unread)
            changes, now = read_each(items, _changed_at, []), answer.served_at
            place[name] = max([place[name], *(iso(min(at, now or at)) for at in changes)])
            yield Page(tuple(events), urlencode(place))

    def _pulled(self, http: httpx.Client, begin: datetime, item: Any) -> list[Event]:
        ticket = object_of(item, "a ticket")
        found = list(self._ticket(ticket, begin))
        if self.read_articles and ticket.get("state") != MERGED:
            for article in self._articles(http, ticket):
                found += self._article(ticket, article, begin)
        return found

    def _thanked(self, http: httpx.Client, begin: datetime, item: Any) -> Iterable[Event]:
        """The customer's newest message of a ticket with the tag."""
        ticket = object_of(item, "a ticket")
        said = [
            (parse_time(article.get("created_at")), _words(article))
            for article in self._articles(http, ticket)
            if article.get("sender") == "Customer" and article.get("internal") is not True
        ]
        moment, words = max(said, default=(parse_time(ticket.get("updated_at")), ""))
        number, agent = _ticket_id(ticket.get("id")), _user(ticket.get("owner_id"))
        return [self._rated("thanks", number, agent, _user(ticket.get("customer_id")), words, moment)]

    def _articles(self, http: httpx.Client, ticket: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"ticket_articles/by_ticket/{_ticket_id(ticket.get('id'))}"
        articles = list_of(self._get(http, path, {"expand": "true"}).json, "the list of articles")
        return [object_of(article, "an article") for article in articles]

    def _answers(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> list[Event]:
        """The answers that were published since; the knowledge base comes as one answer."""
        begin = _place(place, "answers")
        answer = self._get(http, "knowledge_bases/init", {}, method="POST")
        found = object_of(answer.json, "the answer").get("KnowledgeBaseAnswer")
        place["answers"] = iso(max(answer.served_at or begin, begin))
        published = partial(self._published, begin - OVERLAP)
        return read_each(object_of(found, "KnowledgeBaseAnswer").values(), published, unread)

    def _published(self, begin: datetime, item: Any) -> Iterator[Event]:
        answer = object_of(item, "an answer")
        number, author = id_of(answer.get("id")), _user(answer.get("published_by_id"))
        if number is None or author is None or not answer.get("published_at") or answer.get("archived_at"):
            return
        moment = parse_time(answer["published_at"])
        if moment >= begin:
            yield Event(
                f"answer/{number}/published", "knowledge.shared", moment, (author,), object=f"answer/{number}"
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """Every active user with another role than Customer. Their addresses are given by an admin, so they are theirs."""
        for page in range(1, MOST_PAGES * 10):
            query = {"expand": "true", "per_page": "100", "page": str(page)}
            users = list_of(self._get(http, "users", query).json, "the list of users")
            if not users:
                return
            for item in users:
                user = object_of(item, "a user")
                number, roles = _user(user.get("id")), list_of(user.get("roles") or [], "roles")
                if number is None or user.get("active") is False or not set(map(str, roles)) - {"Customer"}:
                    continue
                names = (text_of(user.get(name) or "", 100) for name in ("firstname", "lastname"))
                yield Account(
                    number, id_of(user.get("email")), " ".join(name for name in names if name) or number
                )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed header of a Zammad webhook."""
        return {"X-Hub-Signature": "sha1=" + hmac_of(self.secret, body, algorithm="sha1", encoding="hex")}

    def _get(self, http: httpx.Client, path: str, query: dict[str, str], method: str = "GET") -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        url = f"{self.api_url()}/api/v1/{path}?{urlencode(query)}"
        return fetch_json(http, url, method=method, headers={"Authorization": f"Token token={token}"})

    def _link(self, number: str) -> str:
        return f"{self.address}/#ticket/zoom/{number}"


def _words(article: dict[str, Any]) -> str:
    body = article.get("body") or ""
    return plain_text(body) if article.get("content_type") == "text/html" else text_of(body)


def _user(value: Any) -> str | None:
    number = id_of(value)
    return None if number == NOBODY else number


def _ticket_id(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no ticket's id where Zammad puts one")
    return number


def _moment(value: Any) -> datetime:
    """A template's time: its placeholders write "2026-11-20 09:00:00 UTC"."""
    return parse_time(
        value.removesuffix(" UTC") + "Z" if isinstance(value, str) and value.endswith(" UTC") else value
    )


def _changed_at(item: Any) -> list[datetime]:
    return [parse_time(object_of(item, "a ticket").get("updated_at"))]


def _place(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None


def _quoted(tag: str) -> str:
    return '"' + tag.replace("\\", "").replace('"', "") + '"'
