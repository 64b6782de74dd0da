"""django-helpdesk: its webhooks for new tickets and follow-ups, and a pull of the same follow-ups from its API."""

import base64
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

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
    read_each,
    refuse_unread,
    secret_matches,
    text_of,
    web_address,
    written,
    zone_name,
)

# What a note's mark says about the customer's newest message. django-helpdesk asks no customer how it was.
MARKS: dict[str, Kind] = {"thanks": "thanks.received", "good": "rating.good", "bad": "rating.bad"}

USER = "extra-mile"  # of the credentials in the webhook's address
SECRET = re.compile(r"[A-Za-z0-9_-]{16,200}")  # what means itself in an address
MERGED = re.compile(r"\[[^\]#]*#([0-9]{1,18})\] ")  # a follow-up's title after a merge, in any language
# What a mail quotes, with the line that introduces it ("On Friday, Ana wrote:")
QUOTED = re.compile(r"(?:(?:^|\n)[^\n]*:[ \t\r]*\n\s*?|^|\n)>")
PER_PAGE = 100
OVERLAP = timedelta(minutes=5)  # a follow-up is dated when it is written, and seen when that is committed


class DjangoHelpdesk(Plugin):
    """`[plugins.django_helpdesk]`; the README beside this file says where to click for each of these."""

    title = "django-helpdesk"
    proof = "token"  # it signs nothing; credentials of ours in the webhook's address arrive as a header
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "promise.made",
        "promise.kept",
    )
    to_tick = ("HELPDESK_NEW_TICKET_WEBHOOK_URLS", "HELPDESK_FOLLOWUP_WEBHOOK_URLS")
    to_grant = ("Staff status", "all queues that count")

    address: str
    secret: Secret
    previous_secret: Secret | None = None
    api_user: str | None = None  # left out: webhooks only
    api_password: Secret | None = None
    agents: dict[str, str] = {}  # noqa: RUF012  (a field, and frozen) user number -> e-mail address: the API lists no users
    thanks_mark: str = "#thanks"
    good_mark: str = "#good"
    unhappy_mark: str = "#unhappy"
    promise_field: str = "promised_for"  # a custom field, or "due_date" for the ticket's own
    solved_statuses: tuple[int, ...] = (3, 4)  # resolved, closed
    assigned_words: str = "Assigned to"  # how a follow-up's title begins that gives the ticket to somebody
    timezone: str = "UTC"  # of a promised day, which is kept until its end
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    @field_validator("secret", "previous_secret")
    @classmethod
    def _plain(cls, value: Secret | None) -> Secret | None:
        if value is not None and not SECRET.fullmatch(value.get_secret_value()):
            raise ValueError(
                "it stands in an address: write 16 to 200 letters, digits, - and _, and nothing else"
            )
        return value

    def verify(self, delivery: Delivery) -> None:
        """The credentials of the webhook's address, which arrive as Basic authentication and stand in no access log."""
        known = [_basic(USER, secret) for secret in (self.secret, self.previous_secret) if secret]
        if not secret_matches(known, delivery.header("Authorization")):
            raise Refused(f"the address's credentials are not ours; write https://{USER}:<secret>@…")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of the follow-up that is told of, or of a new ticket; nothing for any other body."""
        body = object_of(delivery.json(), "the body")
        if "queue_slug" not in body or not isinstance(body.get("ticket"), dict):
            return
        yield from self._facts(body["ticket"], id_of(body.get("followup_id")))

    # ------------------------------------------------------------ a ticket and its follow-ups

    def _facts(self, ticket: dict[str, Any], only: str | None) -> Iterator[Event]:
        """What these follow-ups say: one, by its id, or all. A ticket always comes with the whole list of them."""
        listed = [
            object_of(item, "a follow-up") for item in list_of(ticket.get("followup_set"), "followup_set")
        ]
        history = sorted(((self._moment(one.get("date")), _number(one), one) for one in listed), key=_order)
        if only is not None and only not in {number for _, number, _ in history}:
            raise Invalid(f"follow-up {only} is not one of the ticket's")
        solved = False
        for place, (moment, number, one) in enumerate(history):
            was, status = solved, one.get("new_status")
            if status is not None:
                solved = status in self.solved_statuses
            if only in (None, number):
                changed = None if solved == was else "solved" if solved else "reopened"
                yield from self._fact(ticket, [each for _, _, each in history[:place]], one, moment, changed)
        if history and only in (None, history[-1][1]):
            yield from self._promised(ticket, history[-1][0])

    def _fact(
        self,
        ticket: dict[str, Any],
        before: list[dict[str, Any]],
        one: dict[str, Any],
        moment: datetime,
        changed: str | None,
    ) -> Iterator[Event]:
        """One follow-up: a change of state, an agent's answer, a colleague's note, or a mark."""
        number, author, owner = _number(one), id_of(one.get("user")), id_of(ticket.get("assigned_to"))
        home, words = _home(one, ticket), _words(one)
        about: dict[str, Any] = {"ticket": home, "url": f"{self.address}/tickets/{_number(ticket)}/"}
        responsible = _agents(owner or author)
        if changed:
            kind: Kind = "ticket.solved" if changed == "solved" else "ticket.reopened"
            thing = f"ticket/{home}"
            credit = responsible if changed == "solved" else ()
            yield Event(f"{thing}/{changed}/{iso(moment)}", kind, moment, credit, object=thing, **about)
        if changed == "solved" and self._due(ticket):
            thing = f"promise/{home}"
            yield Event(
                f"{thing}/kept/{iso(moment)}", "promise.kept", moment, responsible, object=thing, **about
            )
        if author is None or not words:
            return
        public = one.get("public")
        if not isinstance(public, bool):
            raise Invalid("the follow-up does not say whether it is public")
        told = self._mark(words)
        if told and not public:
            yield self._rated(told, ticket, before, moment, author, about)
        elif not (_opens(one, ticket) if public else self._hands_over(one)):
            yield from written(f"followup/{number}", author, owner, moment, private=not public, **about)

    def _rated(
        self,
        told: str,
        ticket: dict[str, Any],
        before: list[dict[str, Any]],
        moment: datetime,
        author: str,
        about: dict[str, Any],
    ) -> Event:
        """A colleague's mark on the customer's newest message; to the credit of who had answered them, else of nobody."""
        said = [place for place, one in enumerate(before) if _is_customers(one, ticket)]
        answers = before[: said[-1]] if said else before
        answered = [
            id_of(one.get("user"))
            for one in answers
            if one.get("public") is True and _words(one) and not _opens(one, ticket)
        ]
        agent = next((user for user in reversed(answered) if user), None)
        thing = f"rating/{about['ticket']}"
        return Event(
            f"{thing}/{told}",
            MARKS[told],
            moment,
            _agents(agent),
            giver=author,  # nobody earns by marking a message as thanks to themselves
            customer=id_of(ticket.get("submitter_email")),
            object=thing,
            text=(_said(_words(before[said[-1]])) or None) if said and told != "good" else None,
            **about,
        )

    def _promised(self, ticket: dict[str, Any], moment: datetime) -> Iterator[Event]:
        """The promised time as it stands, on record since the newest follow-up: when it was entered, nothing tells."""
        due_at = self._due(ticket)
        if due_at:
            number = _number(ticket)
            yield Event(
                f"promise/{number}/made/{iso(due_at)}",
                "promise.made",
                moment,
                _agents(id_of(ticket.get("assigned_to"))),
                customer=id_of(ticket.get("submitter_email")),
                object=f"promise/{number}",
                ticket=number,
                url=f"{self.address}/tickets/{number}/",
                due_at=due_at,
            )

    def _due(self, ticket: dict[str, Any]) -> datetime | None:
        field = self.promise_field
        value = ticket.get(field if field == "due_date" else f"custom_{field}")
        return self._moment(value) if value else None

    def _moment(self, value: Any) -> datetime:
        return parse_due(value, self.timezone)

    def _mark(self, words: str) -> str | None:
        marks = {"thanks": self.thanks_mark, "good": self.good_mark, "bad": self.unhappy_mark}
        said = {word.strip(".,;:!?()").lower() for word in words.split()}
        return next((told for told, mark in marks.items() if mark and mark.lower() in said), None)

    def _hands_over(self, one: dict[str, Any]) -> bool:
        return bool(self.assigned_words) and text_of(one.get("title") or "").startswith(self.assigned_words)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_user and self.api_password else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The follow-ups that were written since, with their tickets. The cursor is the moment up to which they were read.

        Their list is by date, the oldest first, and knows no other question: the page where to begin is searched for.
        """
        first = self._followups(http, 1)
        begin = self._place(since) if since else beginning(self.pull_from, first.served_at)
        place, unread = begin, list[str]()
        listed = object_of(first.json, "the answer")
        size = len(list_of(listed.get("results"), "results")) or 1
        pages = range(1, -(-_count(listed.get("count")) // size) + 1)

        def ends_at(page: int) -> datetime:
            items = list_of(
                object_of(self._followups(http, page).json, "the answer").get("results"), "results"
            )
            return max(read_each(items, self._dated, []), default=begin)

        for page in pages[bisect_left(pages, begin - OVERLAP, key=ends_at) :]:
            answer = object_of(self._followups(http, page).json, "the answer")
            items = list_of(answer.get("results"), "results")
            tickets: dict[str, dict[str, Any]] = {}
            events = read_each(items, partial(self._pulled, http, begin, tickets), unread)
            place = max([place, *read_each(items, self._dated, [])])
            yield Page(tuple(events), iso(place))
        yield Page((), iso(max(place, first.served_at or place)), last=not unread)
        refuse_unread(unread)

    def _pulled(
        self, http: httpx.Client, begin: datetime, tickets: dict[str, dict[str, Any]], item: Any
    ) -> Iterable[Event]:
        one = object_of(item, "a follow-up")
        number, ticket = _number(one), id_of(one.get("ticket"))
        if ticket is None or not ticket.isdigit():
            raise Invalid("a follow-up does not say which ticket it belongs to")
        if self._moment(one.get("date")) < begin - OVERLAP:
            return ()
        if ticket not in tickets:
            tickets[ticket] = object_of(self._get(http, f"tickets/{ticket}/", {}).json, "a ticket")
        return list(self._facts(tickets[ticket], number))

    def _dated(self, item: Any) -> list[datetime]:
        return [self._moment(object_of(item, "a follow-up").get("date"))]

    def _place(self, since: str) -> datetime:
        try:
            return parse_due(since, "UTC")
        except Invalid:
            raise Invalid("the cursor is not a time; it was not written by this plugin") from None

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The users as the config names them: the API tells their numbers only."""
        for number, email in self.agents.items():
            yield Account(number, email, email)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """What requests makes of the credentials in the address."""
        return {"Authorization": _basic(USER, self.secret).get_secret_value()}

    def _followups(self, http: httpx.Client, page: int) -> Answer:
        return self._get(http, "followups/", {"page": str(page), "page_size": str(PER_PAGE)})

    def _get(self, http: httpx.Client, path: str, query: dict[str, str]) -> Answer:
        credentials = _basic(self.api_user or "", self.api_password or Secret("")).get_secret_value()
        url = f"{self.api_url()}/api/{path}?{urlencode({**query, 'format': 'json'})}"
        return fetch_json(http, url, headers={"Authorization": credentials})


def _basic(user: str, password: Secret) -> Secret:
    return Secret("Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode())


def _order(item: tuple[datetime, str, dict[str, Any]]) -> tuple[datetime, int, str]:
    moment, number, _ = item
    return moment, len(number), number


def _number(item: dict[str, Any]) -> str:
    number = id_of(item.get("id"))
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no id where django-helpdesk puts one")
    return number


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Invalid("the list of follow-ups does not say how many there are")
    return value


def _agents(user: str | None) -> tuple[str, ...]:
    return (user,) if user else ()


def _words(one: dict[str, Any]) -> str:
    return text_of(one.get("comment") or "").strip()


def _is_customers(one: dict[str, Any], ticket: dict[str, Any]) -> bool:
    """A mail, or what the ticket was opened with. What django-helpdesk writes by itself (of an escalation) has no user, too."""
    return id_of(one.get("user")) is None and (bool(one.get("message_id")) or _opens(one, ticket))


def _opens(one: dict[str, Any], ticket: dict[str, Any]) -> bool:
    """Whether it says what the ticket was opened with: an agent may have written that down for the customer."""
    return _words(one) == text_of(ticket.get("description") or "").strip()


def _home(one: dict[str, Any], ticket: dict[str, Any]) -> str:
    """The ticket it was written on: a merge moves follow-ups to another, and their facts stay the same."""
    moved = MERGED.match(text_of(one.get("title") or ""))
    return moved[1] if moved else _number(ticket)


def _said(words: str) -> str:
    """A mail without what it quotes, and without the line that introduces it."""
    return QUOTED.split(words, maxsplit=1)[0].strip()
