"""Freshdesk: a pull of ratings, tickets, notes and articles; webhooks of automation rules for thanks that a tag marks."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import Field, field_validator

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
    one_name,
    parse_time,
    read_each,
    refuse_unread,
    secret_matches,
    text_of,
    written,
)

# A survey's answer to its first question. Surveys of three steps use 103, 100 and -103; 100 is neither good nor bad.
GOOD, BAD = (101, 102, 103), (-101, -102, -103)
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
SOLVED = (4, 5)  # resolved, closed
REPLY, NOTE = 0, 2  # what a conversation's `source` says; the others are calls, tweets and survey answers
PUBLISHED = 2

PER_PAGE = 100
TICKETS_PER_PAGE = (
    25  # each costs a request for its notes: a page must fit into the smallest plan's limit of a minute
)
MOST_PAGES = 300  # Freshdesk lists no more of one question
OVERLAP = timedelta(minutes=5)
OUR_HEADER = "X-Extra-Mile-Secret"


class Freshdesk(Plugin):
    """`[plugins.freshdesk]`; the README beside this file says where to click for each of these."""

    title = "Freshdesk"
    proof = "token"  # Freshdesk signs nothing: the rule sends a secret of ours along
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
        "When an action is performed by: Agent or requester",
        "Involves any of these events: Tag is added · thanks",
        "Action: Trigger webhook · POST · JSON, with the body of the guide and our header",
    )
    to_grant = (
        "the API key of an agent with Global access who sees every ticket, its ratings and its notes",
    )

    domain: str
    secret: Secret
    previous_secret: Secret | None = None
    api_key: Secret | None = None  # left out: webhooks only
    thanks_tag: str = "thanks"
    promise_tag: str = "promise"
    promises: Literal["tagged", "all", "none"] = "tagged"
    read_notes: bool = True  # one more request for each ticket that changed
    article_folders: tuple[int, ...] = ()  # of the knowledge base, whose articles are read
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(
        24, ge=1, le=24 * 14
    )  # ratings this old are read again, in case one was late or changed

    _domain = field_validator("domain")(one_name)

    def verify(self, delivery: Delivery) -> None:
        """A header with a secret of ours: all that an automation rule can prove."""
        if not secret_matches((self.secret, self.previous_secret), delivery.header(OUR_HEADER)):
            raise Refused(f"{OUR_HEADER} is not our secret; compare the rule's custom header with it")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A thanks by the template in the README; nothing for any other body."""
        body = object_of(delivery.json(), "the body")
        if body.get("extra_mile") != "thanks":
            return
        yield self._thanks(
            ticket=body.get("ticket"),
            agent=body.get("agent"),
            customer=body.get("customer"),
            words=body.get("words"),
            # A rule's placeholders hold no time that a machine can read, so it is the moment of arrival
            moment=delivery.received_at,
        )

    def _thanks(self, *, ticket: Any, agent: Any, customer: Any, words: Any, moment: datetime) -> Event:
        """A customer's message that was tagged as thanks: one per ticket, by either road."""
        number, agent = _ticket(ticket), id_of(agent)
        return Event(
            key=f"thanks/{number}",
            kind="thanks.received",
            occurred_at=moment,
            agents=(agent,) if agent else (),
            customer=id_of(customer),
            object=f"rating/{number}",  # a rating of the same ticket is the same customer's word
            ticket=number,
            text=text_of(words or "").strip() or None,
            url=self._link(number),
        )

    def api_url(self) -> str | None:
        return f"https://{self.domain}.freshdesk.com" if self.api_key else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the ratings, then the tickets that changed with their notes, then articles.

        The cursor is a query string of moments: `ratings` up to which all ratings were read, `tickets` up to which all
        changes of tickets were (they come in the order of their change), `articles` alike.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            served_at = self._get(http, "agents", {"per_page": "1"}).served_at
            place = dict.fromkeys(
                ("ratings", "tickets", "articles"), iso(beginning(self.pull_from, served_at))
            )
        unread: list[str] = []
        yield from self._pull_ratings(http, place, unread)
        yield from self._pull_tickets(http, place, unread)
        yield self._pull_articles(http, place, unread)
        refuse_unread(unread)

    def _pull_ratings(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        begin = _moment(place, "ratings")
        query = {"created_since": iso(begin - timedelta(hours=self.look_back_hours))}
        until: datetime | None = None
        for answer, last in self._pages(http, "surveys/satisfaction_ratings", query):
            # When the reading began, by Freshdesk's clock: what is rated from now on is read next time
            until = until or max(answer.served_at or begin, begin)
            events = read_each(list_of(answer.json, "the list of ratings"), self._rating, unread)
            if last:
                place["ratings"] = iso(until)
            yield Page(tuple(events), urlencode(place))

    def _rating(self, item: Any) -> Iterator[Event]:
        rating = object_of(item, "a rating")
        value = object_of(rating.get("ratings"), "ratings").get("default_question")
        if value not in GOOD + BAD:
            return
        number, rating_id = _ticket(rating.get("ticket_id")), id_of(rating.get("id"))
        if rating_id is None:
            raise Invalid("a rating has no id")
        text = text_of(rating.get("feedback") or "").strip() or None
        word = "bad" if value in BAD else "thanks" if text else "good"
        agent = id_of(rating.get("agent_id"))  # whom the customer rated: not the ticket's present agent
        yield Event(
            key=f"rating/{rating_id}/{word}",
            kind=RATING_KINDS[word],
            occurred_at=parse_time(rating.get("updated_at") or rating.get("created_at")),
            agents=(agent,) if agent else (),
            customer=id_of(rating.get("user_id")),
            object=f"rating/{number}",  # a ticket may be rated again: a later good one mends an earlier bad one
            ticket=number,
            text=text,
            url=self._link(number),
        )

    def _pull_tickets(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        begin = _moment(place, "tickets") - OVERLAP
        query = {
            "updated_since": iso(begin),
            "order_by": "updated_at",
            "order_type": "asc",
            "include": "stats",
            "per_page": str(TICKETS_PER_PAGE),
        }
        until: datetime | None = None
        for answer, last in self._pages(http, "tickets", query):
            until = until or answer.served_at
            tickets = list_of(answer.json, "the list of tickets")
            events = read_each(tickets, lambda ticket: self._ticket(http, ticket, begin), unread)
            # In the order of their change, so all before the last one of this page is read
            changes = read_each(tickets, _changed_at, [])
            now = answer.served_at
            read_to = [iso(min(change, now or change)) for change in changes]
            if last and until:  # when the reading began: what changes from now on is read next time
                read_to.append(iso(until))
            place["tickets"] = max([place["tickets"], *read_to])
            yield Page(tuple(events), urlencode(place))

    def _ticket(self, http: httpx.Client, item: Any, begin: datetime) -> list[Event]:
        """What has happened to a ticket, from its own time stamps, and with `read_notes` who wrote on it."""
        ticket = object_of(item, "a ticket")
        if ticket.get("spam") is True or ticket.get("deleted") is True:
            return []
        number, stats = _ticket(ticket.get("id")), object_of(ticket.get("stats"), "stats")
        agent, tags = id_of(ticket.get("responder_id")), list_of(ticket.get("tags") or [], "tags")
        changed_at = parse_time(ticket.get("updated_at"))
        solved_at = stats.get("resolved_at") or stats.get("closed_at")
        is_solved = ticket.get("status") in SOLVED and solved_at is not None

        def event(kind: Kind, at: Any, what: str, **more: Any) -> Event:
            moment = at if isinstance(at, datetime) else parse_time(at)
            return Event(
                key=f"{what}/{iso(more.get('due_at', moment))}",
                kind=kind,
                occurred_at=moment,
                ticket=number,
                url=self._link(number),
                **{"object": f"ticket/{number}", "agents": (agent,) if agent else ()} | more,
            )

        found: list[Event] = []
        if is_solved:
            found.append(event("ticket.solved", solved_at, f"ticket/{number}/solved"))
        if stats.get("reopened_at") is not None:
            found.append(
                event("ticket.reopened", stats["reopened_at"], f"ticket/{number}/reopened", agents=())
            )
        promised = self.promises == "all" or (self.promises == "tagged" and self.promise_tag in tags)
        if promised and ticket.get("due_by") is not None:
            due_at, about = parse_time(ticket["due_by"]), f"promise/{number}"
            customer = id_of(ticket.get("requester_id"))
            # On record since the change that we see: when the due time was set, Freshdesk does not tell
            found.append(
                event(
                    "promise.made",
                    changed_at,
                    f"{about}/made",
                    object=about,
                    due_at=due_at,
                    customer=customer,
                )
            )
            if is_solved:
                found.append(event("promise.kept", solved_at, f"{about}/kept", object=about))
        thanked = self.thanks_tag in tags
        notes = list(self._conversations(http, number)) if self.read_notes or thanked else []
        if self.read_notes:
            for note in notes:
                found += self._written(note, number, agent, begin)
        if thanked:
            found += self._tagged(ticket, notes, changed_at)
        return found

    def _conversations(self, http: httpx.Client, number: str) -> Iterator[dict[str, Any]]:
        for answer, _ in self._pages(http, f"tickets/{number}/conversations", {}):
            for item in list_of(answer.json, "the list of conversations"):
                yield object_of(item, "a conversation")

    def _written(
        self, note: dict[str, Any], ticket: str, owner: str | None, begin: datetime
    ) -> Iterator[Event]:
        """An agent's note on a colleague's ticket is help; a public answer makes a recovery possible."""
        number, author, private = (
            id_of(note.get("id")),
            id_of(note.get("user_id")),
            note.get("private") is True,
        )
        if number is None or author is None or note.get("incoming") is not False:
            return
        if note.get("source") not in ((NOTE,) if private else (REPLY, NOTE)):
            return
        moment = parse_time(note.get("created_at"))
        if moment >= begin:
            whose: dict[str, Any] = {"private": private, "ticket": ticket, "url": self._link(ticket)}
            yield from written(f"note/{number}", author, owner, moment, **whose)

    def _tagged(
        self, ticket: dict[str, Any], notes: list[dict[str, Any]], changed_at: datetime
    ) -> Iterator[Event]:
        """The customer's newest message of a ticket that was tagged as thanks."""
        said = [
            (parse_time(note.get("created_at")), text_of(note.get("body_text") or ""))
            for note in notes
            if note.get("incoming") is True and note.get("private") is not True
        ]
        moment, words = max(said, default=(changed_at, ""))
        yield self._thanks(
            ticket=ticket.get("id"),
            agent=ticket.get("responder_id"),
            customer=ticket.get("requester_id"),
            words=words,
            moment=moment,
        )

    def _pull_articles(self, http: httpx.Client, place: dict[str, str], unread: list[str]) -> Page:
        begin, until, events = _moment(place, "articles"), None, list[Event]()
        for folder in self.article_folders:
            for answer, _ in self._pages(http, f"solutions/folders/{folder}/articles", {}):
                until = until or answer.served_at
                items = list_of(answer.json, "the list of articles")
                events += read_each(items, lambda item: self._article(item, begin - OVERLAP), unread)
        place["articles"] = iso(max(until or begin, begin))
        return Page(tuple(events), urlencode(place), last=not unread)

    def _article(self, item: Any, begin: datetime) -> Iterator[Event]:
        article = object_of(item, "an article")
        number, author = id_of(article.get("id")), id_of(article.get("agent_id"))
        if article.get("status") != PUBLISHED or author is None:
            return
        if number is None:
            raise Invalid("an article has no id")
        moment = parse_time(article.get("updated_at"))
        if moment >= begin:
            title = article.get("title")
            yield Event(
                key=f"article/{number}/published",
                kind="knowledge.shared",
                occurred_at=moment,
                agents=(author,),
                object=f"article/{number}",
                url=f"https://{self.domain}.freshdesk.com/a/solutions/articles/{number}",
                evidence={"title": text_of(title, 200)} if title else {},
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The agents; `contact.active` is Freshdesk's word for an address that was confirmed."""
        for answer, _ in self._pages(http, "agents", {}):
            for item in list_of(answer.json, "the list of agents"):
                agent = object_of(item, "an agent")
                contact, number = object_of(agent.get("contact"), "contact"), id_of(agent.get("id"))
                if number and agent.get("deactivated") is not True:
                    yield Account(
                        number,
                        id_of(contact.get("email")),
                        text_of(contact.get("name") or number, 200),
                        verified=contact.get("active") is True,
                    )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The header that the automation rule sends along."""
        return {OUR_HEADER: self.secret.get_secret_value()}

    def _pages(self, http: httpx.Client, path: str, query: dict[str, str]) -> Iterator[tuple[Answer, bool]]:
        """A list's pages, each with whether it is the last. Whether there are more, only the Link header says."""
        for page in range(1, MOST_PAGES + 1):
            answer = self._get(http, path, {"per_page": str(PER_PAGE), **query, "page": str(page)})
            last = 'rel="next"' not in answer.headers.get("link", "")
            yield answer, last
            if last:
                return
        raise Invalid(f"{path} has more than {MOST_PAGES} pages at once; set pull_from to a later date")

    def _get(self, http: httpx.Client, path: str, query: dict[str, str]) -> Answer:
        key = self.api_key.get_secret_value() if self.api_key else ""
        url = f"{self.api_url()}/api/v2/{path}?{urlencode(query)}"
        return fetch_json(http, url, auth=httpx.BasicAuth(key, "X"))  # the password is not looked at

    def _link(self, number: str) -> str:
        return f"https://{self.domain}.freshdesk.com/a/tickets/{number}"


def _ticket(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no ticket number where Freshdesk puts one")
    return number


def _changed_at(item: Any) -> list[datetime]:
    return [parse_time(object_of(item, "a ticket").get("updated_at"))]


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
