"""Who a mail is really from: the results that the company's own mail server wrote on it, and what no person wrote."""

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses
from typing import Literal

Result = tuple[str, str, dict[str, str]]
"""A method as "dkim", its result as "pass", and what it was about, as {"header.d": "example.com"}."""
Proven = Literal["passed", "failed", "unknown"]

AUTOMATIC = ("bulk", "junk", "list", "auto_reply")
INCONCLUSIVE = {"none", "neutral", "temperror", "permerror"}
"""Results that say nothing about the sender, neither good nor bad."""
NO_PERSON = re.compile(
    r"(?:mailer-daemon|postmaster|(?:no|do-?not)[-_.]?reply|bounces?)(?:[+=-].*)?", re.IGNORECASE
)
ADDRESS = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?")


def sender(mail: Message) -> str | None:
    """The one address that a mail is from, in lower case; None where there is none or more than one."""
    written = [str(value) for value in mail.get_all("From", [])]
    found = {address.lower() for _, address in getaddresses(written) if address}
    address = found.pop() if len(found) == 1 else ""
    return address if is_address(address) else None


def is_address(text: str) -> bool:
    """Whether a text is an address of mail, of a length that somebody might have."""
    return len(text) <= 200 and ADDRESS.fullmatch(text) is not None


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def is_within(domain: str, domains: tuple[str, ...]) -> bool:
    """Whether a domain is one of these or below one."""
    return any(domain == one or domain.endswith(f".{one}") for one in domains)


def is_automatic(mail: Message) -> bool:
    """Whether a machine sent it: an answer by itself, a newsletter, a bounce (RFC 3834, RFC 2369, RFC 6522)."""
    if _said(mail, "Auto-Submitted").partition(";")[0].strip() not in ("", "no"):
        return True
    if _said(mail, "Precedence") in AUTOMATIC or "<>" in _said(mail, "Return-Path").replace(" ", ""):
        return True
    names = {name.lower() for name in mail}
    if any(name.startswith("list-") for name in names) or names & {
        "x-autoreply",
        "x-autorespond",
        "x-failed-recipients",
    }:
        return True
    if mail.get_content_type() in ("multipart/report", "message/delivery-status"):
        return True
    address = sender(mail)
    return address is None or NO_PERSON.fullmatch(address.partition("@")[0]) is not None


def _said(mail: Message, name: str) -> str:
    return str(mail.get(name, "")).strip().lower()


def results(mail: Message, own_server: str) -> Iterator[Result]:
    """What the company's own mail server found out (RFC 8601): in the lines with its name that it wrote last.

    Lines below the next Received came from elsewhere, whatever name they carry.
    """
    begun = False
    for name, value in mail.items():
        if name.lower() == "authentication-results":
            words = _without_comments(str(value)).split(";")
            if words[0].split()[:1] == [own_server]:
                begun = True
                yield from filter(None, map(_result, words[1:]))
        elif name.lower() == "received" and begun:
            return


def _without_comments(text: str) -> str:
    """A header's value in lower case without its comments, which may stand inside of each other."""
    depth, kept = 0, []
    for sign in " ".join(text.split()).lower():
        depth += (sign == "(") - (sign == ")" and depth > 0)
        if depth == 0 and sign != ")":
            kept.append(sign)
    return "".join(kept)


def _result(text: str) -> Result | None:
    words = re.sub(r"\s*=\s*", "=", text).split()
    method, _, value = (words[0] if words else "").partition("=")
    if not value:
        return None
    about = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    return method.partition("/")[0], value, {name: held.strip('"') for name, held in about.items()}


def proven(mail: Message, own_server: str) -> Proven:
    """Whether a mail is from whom it says, by the sender's own domain: DMARC, else a DKIM or SPF result that is about it."""
    address = sender(mail)
    if not own_server or address is None:
        return "unknown"
    domain, found = domain_of(address), dict[str, list[tuple[str, dict[str, str]]]]()
    for method, value, about in results(mail, own_server.lower()):
        found.setdefault(method, []).append((value, about))
    for value, about in found.get("dmarc", [])[:1]:  # the topmost: what is below may be older
        if value == "pass" and _same(about.get("header.from", domain), domain):
            return "passed"
        if value == "fail":
            return "failed"
    for value, about in found.get("dkim", []):
        if value == "pass" and _same(about.get("header.d") or about.get("header.i", ""), domain):
            return "passed"
    for value, about in found.get("spf", [])[:1]:
        if value == "pass" and _same(about.get("smtp.mailfrom", ""), domain):
            return "passed"
    for value, about in found.get("auth", [])[:1]:  # a colleague who was signed in to our own server
        if value == "pass" and _same(about.get("smtp.auth", ""), domain):
            return "passed"
    told = {value for method in ("dkim", "spf") for value, _ in found.get(method, [])}
    return "failed" if told - INCONCLUSIVE else "unknown"


def _same(told: str, domain: str) -> bool:
    """Whether a result is about this domain: the same, one above or one below, as DMARC's relaxed alignment nearly is."""
    told = domain_of(told).rstrip(".")
    return "." in told and (told == domain or told.endswith(f".{domain}") or domain.endswith(f".{told}"))
