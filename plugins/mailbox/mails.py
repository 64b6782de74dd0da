"""Reads a mail: whom it thanks, what its customer wrote, and what a colleague forwarded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses

from leaderboard.plugin import Invalid, plain_text, short_hash

from . import proof

TO = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
MOST_PARTS = 200
MOST_READ = 200_000
"""Characters of a part that are looked at."""

FORWARDED = re.compile(
    r"(?im)^[ >*_-]*(?:begin forwarded message|(?:forwarded|original) message|weitergeleitete nachricht"
    r"|ursprüngliche nachricht|anfang der weitergeleiteten nachricht)\b.*$"
)
HEADING = re.compile(r"^[ >*]*([^\W\d_][\w .-]{0,20}?)\s*:[\s*]*(\S.*)$")
"""A line of a forwarded mail's head, in whatever language its program speaks."""
FROM = ("from", "von", "de", "da", "van", "från", "fra", "od", "expéditeur", "mittente")
MARKED = re.compile(r"<(?:mailto:)?([^<>\s]+@[^<>\s]+)>|([^\s<>\[\]()\"';,:]+@[^\s<>\[\]()\"';,:]+)")
QUOTES = re.compile(r"(?im)^[ >]*(?:on .{1,200}wrote|am .{1,200}schrieb.{0,100}|le .{1,200}a écrit)\s*:\s*$")
"""The line before what is answered."""
SIGNATURE = re.compile(r"(?m)^-- ?$")


@dataclass(frozen=True)
class Said:
    """What a customer wrote, and what names it among all mails."""

    customer: str
    text: str
    name: str


def read(start: bytes) -> Message:
    """A mail, or as much of it as was fetched. Never raises: what is wrong in it is left as it is."""
    return message_from_bytes(start, policy=compat32)


def thanked(mail: Message, address: str) -> tuple[str, ...]:
    """Who stands behind the plus of our address: thanks+ana@example.com is ana@example.com's, in the order of writing.

    With thanks+ana=example.org@example.com somebody of another domain is thanked.
    """
    name, _, domain = address.lower().rpartition("@")
    written = [str(value) for header in TO for value in mail.get_all(header, [])]
    found: dict[str, None] = {}
    for _, recipient in getaddresses(written):
        local, _, at = recipient.lower().rpartition("@")
        base, plus, person = local.partition("+")
        if not name or at != domain or base != name or not plus:
            continue
        whom = person.replace("=", "@", 1) if "=" in person else f"{person}@{domain}"
        if proof.is_address(whom):
            found[whom] = None
    return tuple(found)[:10]


def said(mail: Message) -> Said | None:
    """What a mail's own sender wrote; None where it says nothing, or nobody in particular wrote it."""
    customer = proof.sender(mail)
    text = _words(mail)
    if customer is None or not text:
        return None
    return Said(customer, text, _name(mail, customer, text))


def forwarded(mail: Message) -> Said | None:
    """What is inside of a mail that a colleague forwarded: as an attachment, or below a line that says so.

    Nothing proves it: a forwarded mail is the colleague's word.
    """
    for part in _parts(mail):
        inner = part.get_payload()
        if part.get_content_type() == "message/rfc822" and isinstance(inner, list) and inner:
            first = inner[0]
            return said(first) if isinstance(first, Message) and not proof.is_automatic(first) else None
    return _quoted(mail)


def _quoted(mail: Message) -> Said | None:
    """A mail that was put into the text of another: after the line that says so, its head, then its words."""
    text = _text(mail)
    begin = FORWARDED.search(text)
    lines = text[begin.end() :].split("\n") if begin else []
    customer, headings, start = None, 0, 0
    for number, line in enumerate(lines[:40]):
        match = HEADING.match(line)
        if match is None:
            if line.strip() and headings:
                break
            continue
        headings, start = headings + 1, number + 1
        if customer is None and match[1].strip().lower() in FROM:
            found = MARKED.search(match[2])
            customer = (found[1] or found[2]).lower() if found else None
        elif headings > 8:
            break
    if customer is None or headings < 2 or not proof.is_address(customer):
        return None
    if proof.NO_PERSON.fullmatch(customer.partition("@")[0]):
        return None
    words = _own("\n".join(line.removeprefix(">").removeprefix(" ") for line in lines[start:]))
    return Said(customer, words, f"mail/{short_hash(customer, words)}") if words else None


def _name(mail: Message, customer: str, text: str) -> str:
    """The mail's own name: its Message-ID, which goes with a mail on every way; without one, what it holds.

    Together with its sender, so that nobody else can take a name away by using it first.
    """
    number = " ".join(str(mail.get("Message-ID", "")).split())
    return f"mail/{short_hash(customer, number or str(mail.get('Date', '')), '' if number else text)}"


def _words(mail: Message) -> str:
    """What the sender wrote by themselves, else the subject."""
    if words := _own(_text(mail)):
        return words
    try:
        subject = str(make_header(decode_header(str(mail.get("Subject", "")))))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        subject = ""
    return _clean(re.sub(r"(?i)^\s*(?:(?:re|aw|fwd?|wg)\s*:\s*)+", "", subject)).strip()[:2_000]


def _own(text: str) -> str:
    """A text without what it answers and the lines of a signature, cut to 2,000 characters."""
    for mark in (QUOTES, SIGNATURE, FORWARDED):
        if found := mark.search(text):
            text = text[: found.start()]
    kept = (line.rstrip() for line in text.split("\n") if not line.lstrip().startswith(">"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()[:2_000].strip()


def _text(mail: Message) -> str:
    """The mail's text: the plain one, else the one in HTML as words."""
    html = ""
    for part in _parts(mail):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            continue
        content = _decoded(part)
        if kind == "text/plain" and content.strip():
            return content
        if kind == "text/html" and not html:
            try:
                html = plain_text(content, 20_000)
            except Invalid:
                html = ""
    return html


def _parts(mail: Message) -> Iterator[Message]:
    """The parts of a mail, from outside to inside, and nothing of mails that lie in it."""
    stack, seen = [mail], 0
    while stack and seen < MOST_PARTS:
        part, seen = stack.pop(), seen + 1
        yield part
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            stack += [one for one in reversed(inner) if isinstance(one, Message)]


def _decoded(part: Message) -> str:
    """A part's text, whatever its character set: what cannot be read becomes the sign for that."""
    content = part.get_payload(decode=True)
    content = content[:MOST_READ] if isinstance(content, bytes) else b""
    try:
        return _clean(content.decode(str(part.get_content_charset("utf-8")), "replace"))
    except (LookupError, ValueError):  # no such character set
        return _clean(content.decode("utf-8", "replace"))


def _clean(text: str) -> str:
    """A text that can be kept: its lines ended alike, without NUL and halves of characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8")
