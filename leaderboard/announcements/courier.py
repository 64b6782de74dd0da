"""Hands one message to one Apprise service: a program of its own, run for a single message and then gone.

A process of its own gives three things that a thread cannot. It can be ended when a service hangs. It holds none of our
secrets but this channel's. And it can be forbidden for good to connect where it must not: the check is made when a
connection is opened, on the address itself, so neither a name that resolves anew nor a redirect gets round it.

It reads a parcel as JSON from standard input and writes its outcome, "sent", "failed" or "unsure", with an error text that
holds no address.
"""

import ipaddress
import json
import sys
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from leaderboard.outgoing import addresses_of, is_public

HARMLESS = {"api-version", "sp", "sv", "sig", "key", "token", "threadkey", "thread"} | {
    "to",
    "channel",
    "topic",
    "mode",
}
"""What may stand behind the ? of an address. Others (redirect, verify, template, ...) would loosen our own rules."""


class Inside(OSError):
    """A connection to an address inside the own network, which the config does not allow."""


class Watch:
    """What happened on the way: connections refused by us, answers by status, questions without an answer."""

    def __init__(self, hosts: list[str], timeout: float) -> None:
        self.timeout = timeout
        self.allowed = {address for host in hosts for address in addresses_of(host)}
        self.refused = False
        self.answers: list[int] = []
        self.silence = False

    def stand(self) -> None:
        """Look at every connection and every HTTP request of this process from now on."""
        import requests

        sys.addaudithook(self._connecting)
        ask = requests.Session.request

        def request(session: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = ask(session, *args, **kwargs | {"allow_redirects": False, "timeout": self.timeout})
            except requests.ConnectTimeout:
                raise
            except (requests.Timeout, requests.ConnectionError) as error:
                self.silence = self.silence or _went_out(error)
                raise
            self.answers.append(answer.status_code)
            return answer

        requests.Session.request = request  # type: ignore[assignment, method-assign]

    def _connecting(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            return
        place = args[1]
        host = place[0] if isinstance(place, tuple) and place else ""
        if not (host in self.allowed or is_public(str(host))):
            self.refused = True
            raise Inside("this address is inside the own network")

    def outcome(self, sent: bool) -> dict[str, Any]:
        """What to write down; `lasting` says that trying again later cannot help."""
        if sent:
            return {"outcome": "sent", "error": None, "lasting": False}
        if self.refused:
            return _failed("the address is inside the own network; only [announce] hosts may be", True)
        if self.silence:
            return _unsure("the service took the message and did not answer")
        if any(200 <= status < 300 for status in self.answers):
            return _unsure("the service took a part of the message and refused another")
        if self.answers:
            status = self.answers[-1]
            return _failed(f"the service answered {status}", 300 <= status < 500 and status not in (408, 429))
        return _failed("the service could not be reached", False)


def look(url: str, schemas: list[str], hosts: list[str]) -> tuple[Any, str | None]:
    """The Apprise sender for this address, and why it must not be used: unknown, forbidden, inside, or "query:<key>"."""
    from apprise import Apprise, AppriseAsset

    careful = AppriseAsset(
        app_id="Extra Mile",
        app_desc="Extra Mile",
        http_redirects=False,
        allow_templates=False,
        storage_mode="memory",
        async_mode=False,
        interpret_emojis=False,
        secure_logging=True,
    )
    sender = Apprise.instantiate(url, asset=careful, suppress_exceptions=True)
    if sender is None:
        return None, "unknown"
    scheme = url.partition("://")[0]
    if scheme in ("http", "https"):  # a service's own webhook address, which Apprise recognised
        named: tuple[Any, ...] = (sender.protocol, sender.secure_protocol)
        schemes = {name for part in named if part for name in ((part,) if isinstance(part, str) else part)}
    else:
        schemes = {scheme}
    if not schemes & set(schemas):
        return None, "forbidden"
    for key, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if key.lower() not in HARMLESS:
            return None, f"query:{key[:40]}"
    host = str(getattr(sender, "host", None) or "").strip("[]")
    if _is_address(host) and not is_public(host) and host not in hosts:
        return None, "inside"
    return sender, None


def deliver(parcel: dict[str, Any]) -> dict[str, Any]:
    """Look at the address and, unless only that was asked, send the text and say how it went."""
    from apprise import Apprise
    from apprise.common import NotifyFormat, OverflowMode

    watch = Watch(parcel["hosts"], parcel["timeout"])
    watch.stand()
    sender, problem = look(parcel["url"], parcel["schemas"], parcel["hosts"])
    if "reach" in parcel and not problem:
        return reach(sender, watch)
    if problem or "text" not in parcel:
        return {"outcome": "failed", "error": problem, "lasting": True}
    sender.overflow_mode = (
        OverflowMode.SPLIT
    )  # a long week comes in parts where a service takes only so much at once
    sent = Apprise(services=[sender]).notify(
        body=parcel["text"], title=parcel["subject"], body_format=NotifyFormat.TEXT, notify_type="info"
    )
    return watch.outcome(bool(sent))


def reach(sender: Any, watch: Watch) -> dict[str, Any]:
    """Ask for the front door of the host that a message would go to; the message itself is stopped here, before it leaves."""
    import requests
    from apprise import Apprise

    asked: list[str] = []

    def stop(session: Any, method: str, url: str, *_: Any, **__: Any) -> Any:
        asked.append(url)
        raise requests.ConnectTimeout("only looking where it would go")

    careful, requests.Session.request = requests.Session.request, stop  # type: ignore[assignment, method-assign]
    try:
        Apprise(services=[sender]).notify(body="-")
    finally:
        requests.Session.request = careful  # type: ignore[method-assign]
    if not asked:
        return _failed("it does not say where a message would go", True)
    there = urlsplit(asked[0])
    try:
        requests.head(f"{there.scheme}://{there.netloc.rpartition('@')[2]}/", timeout=watch.timeout)
    except (requests.RequestException, Inside):
        return _failed("inside" if watch.refused else "the service could not be reached", False)
    return {"outcome": "sent", "error": None, "lasting": False, "host": there.hostname}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _went_out(error: Exception) -> bool:
    """Whether the request may have reached the service: a connection was made, and then came silence or its end."""
    import requests

    inner: BaseException | None = error
    while inner is not None:
        if "NewConnectionError" in type(inner).__name__ or isinstance(inner, Inside | ConnectionRefusedError):
            return False
        inner = getattr(inner, "reason", None) or next(
            (part for part in inner.args if isinstance(part, BaseException)), None
        )
    return not isinstance(error, requests.exceptions.SSLError | requests.exceptions.ProxyError)


def _failed(error: str, lasting: bool) -> dict[str, Any]:
    return {"outcome": "failed", "error": error, "lasting": lasting}


def _unsure(error: str) -> dict[str, Any]:
    return {"outcome": "unsure", "error": error, "lasting": False}


if __name__ == "__main__":
    json.dump(deliver(json.load(sys.stdin)), sys.stdout)
