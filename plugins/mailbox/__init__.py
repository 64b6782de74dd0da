"""A mailbox (IMAP): thanks that customers send by mail, found by address, folder or tag, or forwarded by a colleague."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from leaderboard.plugin import (
    Event,
    Invalid,
    Page,
    Plugin,
    Secret,
    decode_json,
    object_of,
    read_each,
    refuse_unread,
)

from . import mails, proof
from .imap import Mailbox as Connected
from .imap import Message, imap_day, signed_in

AT_ONCE = 20  # mails in one answer
MOST_REMEMBERED = 5_000  # numbers of tagged mails that are remembered


def _domain(value: str) -> str:
    value = value.lower().rstrip(".")
    if not proof.is_address(f"a@{value}"):
        raise ValueError('write a domain as "example.com"')
    return value


def _address(value: str) -> str:
    value = value.lower()
    if not proof.is_address(value) or "+" in value:
        raise ValueError('write an address without a plus, as "thanks@example.com"')
    return value


Domain = Annotated[str, AfterValidator(_domain)]
Address = Annotated[str, AfterValidator(_address)]
Folder = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Mailbox(Plugin):
    """`[plugins.mailbox]`; the README beside this file says what each of these is for."""

    title = "Mailbox"
    earns = ("thanks.received",)
    to_grant = (
        "IMAP over TLS, with a password of its own (an app password)",
        "read access to the folders",
    )
    sends = False

    host: Domain
    port: int = Field(993, ge=1, le=65_535)
    user: str = Field(min_length=1, max_length=320)
    password: Secret
    authorities: Path | None = None  # a PEM file, where the server's certificate is of the company's own
    staff_domains: tuple[Domain, ...] = Field(min_length=1)
    authserv_id: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,255}$")
    without_results: Literal["ignored", "counted"] = "ignored"
    address: Address | None = None  # whose plus names who is thanked
    folders: tuple[Folder, ...] = ("INBOX",)
    folder_people: dict[Folder, Address] = Field(default_factory=dict)
    keyword: str = Field("", pattern=r"^[A-Za-z0-9$_.-]{0,100}$")
    forwards: Literal["ignored", "by_others", "all"] = "by_others"
    look_back_days: int = Field(30, ge=1, le=365)  # how old a mail may be when it gets its keyword
    most_kilobytes: int = Field(256, ge=16, le=900)  # of a mail that are read
    pull_from: date | None = None  # left out: seven days before the folder's newest mail

    @model_validator(mode="after")
    def _can_tell(self) -> Self:
        if not self.authserv_id and self.without_results == "ignored":
            raise ValueError(
                'set authserv_id to your mail server\'s name in Authentication-Results, or without_results = "counted"'
            )
        if self.address is None and not self.folder_people and self.forwards != "all":
            raise ValueError('nobody could be thanked: set address, folder_people, or forwards = "all"')
        return self

    def api_url(self) -> str | None:
        return f"imaps://{self.host}:{self.port}"

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The mails that came since, folder by folder; nothing is changed in the mailbox.

        The cursor is JSON: for each folder its UIDVALIDITY, the number after the last one read, the day from which mails count,
        and, where a keyword is looked for, the numbers of those that were read: a tag may be set long after a mail came.
        """
        place = object_of(decode_json((since or "{}").encode(), max_nodes=200_000), "the cursor")
        unread: list[str] = []
        password = self.password.get_secret_value()
        with signed_in(http, self.host, self.port, self.user, password, self.authorities) as mailbox:
            for folder in dict.fromkeys((*self.folders, *self.folder_people)):
                yield from self._folder(mailbox, folder, place, unread)
        yield Page((), _cursor(place), last=not unread)
        refuse_unread(unread)

    def _folder(
        self, mailbox: Connected, folder: str, place: dict[str, Any], unread: list[str]
    ) -> Iterator[Page]:
        validity = mailbox.open_folder(folder)
        known, following, begin, seen = _place_in(place, folder)
        # New to us, or numbered anew: the mails' own names keep them from counting twice
        if known != validity:
            following, seen = 1, []
        newest = mailbox.newest()
        if newest is None:
            return
        begin = begin or self.pull_from or (newest - timedelta(days=7)).date()
        since = max(begin, (newest - timedelta(days=self.look_back_days)).date()) if self.keyword else begin
        tag = ("KEYWORD", self.keyword) if self.keyword else ("UID", f"{following}:*")
        wanted = mailbox.search("SINCE", imap_day(since), *tag)
        seen = sorted(set(seen) & set(wanted))
        # "7:*" is the last mail also where it has a lower number
        wanted = [uid for uid in wanted if uid not in set(seen) and (self.keyword or uid >= following)]
        place[folder] = [validity, following, begin.isoformat(), seen]
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            found = mailbox.messages(part, self.most_kilobytes * 1024)
            events = read_each(found, partial(self._event, folder), unread)
            following = max(following, part[-1] + 1)
            seen = (seen + part)[-MOST_REMEMBERED:] if self.keyword else []
            place[folder] = [validity, following, begin.isoformat(), seen]
            yield Page(tuple(events), _cursor(place))

    def _event(self, folder: str, message: Message) -> Iterator[Event]:
        mail = mails.read(message.start)
        writer = proof.sender(mail)
        if writer is None or proof.is_automatic(mail):
            return
        proven = proof.proven(mail, self.authserv_id)
        if proven == "failed" or (proven == "unknown" and self.without_results == "ignored"):
            return
        filed = self.folder_people.get(folder)
        named = (filed,) if filed else mails.thanked(mail, self.address or "")
        giver = None
        if proof.is_within(proof.domain_of(writer), self.staff_domains):
            said = mails.forwarded(mail) if self.forwards != "ignored" else None
            named = named or ((writer,) if self.forwards == "all" else ())
            # Nobody earns by forwarding thanks to themselves
            giver = None if self.forwards == "all" else writer
        else:
            said = mails.said(mail)
        if said is None or not named or proof.is_within(proof.domain_of(said.customer), self.staff_domains):
            return
        yield Event(
            key=said.name,
            kind="thanks.received",
            occurred_at=message.came_at,  # the server's word: a mail's Date is its writer's
            agents=named,
            giver=giver,
            customer=said.customer,
            object=said.name,
            text=said.text,
            evidence={"sender": proven, **({"forwarded": 1} if said.customer != writer else {})},
        )


def _place_in(place: dict[str, Any], folder: str) -> tuple[int, int, date | None, list[int]]:
    """A folder's numbering, the number after the last one read, the day where it began, and the numbers remembered."""
    if folder not in place:
        return 0, 1, None, []
    try:
        validity, following, begin, seen = place[folder]
        return int(validity), int(following), date.fromisoformat(begin), [int(uid) for uid in seen]
    except (TypeError, ValueError):
        raise Invalid(
            "the cursor does not hold a folder's place; it was not written by this plugin"
        ) from None


def _cursor(place: dict[str, Any]) -> str:
    return json.dumps(place, separators=(",", ":"))
