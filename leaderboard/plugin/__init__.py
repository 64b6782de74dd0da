"""All that the author of a helpdesk plugin imports: Plugin, Event, Page, Account, Secret, Refused and a few tools.

A plugin is its settings plus a few verbs. It only translates: no database, no points, no people, no clock, no HTTP answers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, SecretStr

from leaderboard.plugin.asking import (
    Answer,
    beginning,
    connect,
    fetch_json,
    fetch_token,
    read_each,
    refuse_unread,
    walk,
)
from leaderboard.plugin.errors import Invalid, NoRights, Refused, TryLater
from leaderboard.plugin.event import KINDS, Event, Kind, promised, written
from leaderboard.plugin.reading import (
    decode_json,
    id_of,
    iso,
    list_of,
    object_of,
    one_name,
    parse_due,
    parse_time,
    plain_text,
    text_of,
    web_address,
    zone_name,
)
from leaderboard.plugin.signing import (
    Secret,
    hmac_matches,
    hmac_of,
    jwt_claims,
    jwt_of,
    key_pair,
    key_set,
    refuse_stale,
    secret_matches,
    short_hash,
)

if TYPE_CHECKING:
    import httpx  # takes longer to load than all the rest of a config

__all__ = [
    "KINDS",
    "Account",
    "Answer",
    "Delivery",
    "Event",
    "Greeting",
    "Invalid",
    "Kind",
    "NoRights",
    "Page",
    "Plugin",
    "Refused",
    "Secret",
    "TryLater",
    "beginning",
    "connect",
    "decode_json",
    "fetch_json",
    "fetch_token",
    "hmac_matches",
    "hmac_of",
    "id_of",
    "iso",
    "jwt_claims",
    "jwt_of",
    "key_pair",
    "key_set",
    "list_of",
    "object_of",
    "one_name",
    "parse_due",
    "parse_time",
    "plain_text",
    "promised",
    "read_each",
    "refuse_stale",
    "refuse_unread",
    "secret_matches",
    "short_hash",
    "text_of",
    "walk",
    "web_address",
    "written",
    "zone_name",
]


@dataclass(frozen=True)
class Delivery:
    """One webhook call as it came: raw bytes first, headers by lower-case name, and when we received it.

    `url` is the public address it was sent to and `method` how, for tools that sign them; `args` is the query.
    """

    body: bytes
    headers: Mapping[str, str]
    received_at: datetime
    url: str = ""
    method: str = "POST"
    args: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The header's value, or "" where it is missing."""
        return self.headers.get(name.lower(), "")

    def json(self) -> Any:
        """The body as strict JSON; Invalid for anything else."""
        return decode_json(self.body)


@dataclass(frozen=True)
class Page:
    """One step of a pull: its events, and the cursor from which the next step goes on. Nothing is asked for after `last`."""

    events: tuple[Event, ...]
    cursor: str
    last: bool = False


@dataclass(frozen=True)
class Account:
    """One of the tool's agents, to be matched to a person by verified address."""

    id: str
    email: str | None
    name: str
    verified: bool = True
    bot: bool = False


@dataclass(frozen=True)
class Greeting:
    """The answer to a set-up handshake."""

    body: str
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


class Plugin(BaseModel):
    """The base of every plugin: a config section `[plugins.<source>]` is the constructor call.

    Settings are the class's fields; an unknown or missing one stops the start and names the key. A field of type `Secret` may
    be `{ env = "NAME" }` or `{ file = "path" }` in the config, and a list `secrets` beside it is not needed: while a secret is
    being changed, `previous_<name>` of the same section stays valid too (declare it as `Secret | None = None`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    title: ClassVar[str] = ""
    """The tool's name for people, as "Zendesk"."""
    proof: ClassVar[Literal["body", "token", "url"]] = "body"
    """What the signature covers: body, token (a claim without the body), or url (a shared secret only)."""
    earns: ClassVar[tuple[str, ...]] = ()
    """The kinds this plugin can bring, for the capability table."""
    sends: ClassVar[bool] = True
    """Whether the tool calls us (webhooks)."""
    to_tick: ClassVar[tuple[str, ...]] = ()
    """What to choose in the tool for its webhooks, each in the tool's own words: /admin/sources shows it beside the address."""
    to_grant: ClassVar[tuple[str, ...]] = ()
    """What the credentials of pull() and accounts() must be allowed, in the tool's own words: shown when it refuses them."""
    api_hosts: ClassVar[tuple[str, ...]] = ()
    """Further hosts that pull() may call besides the one of `api_url()`."""
    taken_status: ClassVar[int] = 202
    """The answer to a delivery that was taken in; for tools that take nothing but 200 for received."""
    tolerance: ClassVar[timedelta] = timedelta(minutes=5)
    """How far a signed time stamp may be from our clock; more where the tool signs long before it sends."""
    key_pairs: ClassVar[Mapping[str, str]] = {}
    """Settings with public keys, each with the setting whose private key signs for it in samples and `simulate`."""

    @cached_property
    def secret_texts(self) -> tuple[str, ...]:
        """Every secret of the section, plain and as an address writes it: what is kept of a delivery holds none."""
        found = [getattr(self, name) for name in type(self).model_fields]
        plain = [value.get_secret_value() for value in found if isinstance(value, SecretStr)]
        return tuple(dict.fromkeys(text for one in plain if one for text in (one, quote(one, safe=""))))

    def verify(self, delivery: Delivery) -> None:
        """Raise Refused unless the delivery is from the tool. The base refuses: a plugin that cannot verify takes none."""
        raise Refused("this source takes no webhooks", "unasked")

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer a set-up handshake, or None when the delivery is not one."""
        return None

    def events(self, delivery: Delivery) -> Iterable[Event]:
        """The delivery's facts; nothing for what is not for us; Invalid (or any error) for what is malformed."""
        raise NotImplementedError(f"{type(self).__name__} takes no webhooks")

    def api_url(self) -> str | None:
        """The base address for pull() and accounts(), or None when this source is not pulled.

        For a tool that does not speak HTTP its own scheme, as "imaps://imap.example.com:993".
        """
        return None

    def pull(self, http: "httpx.Client", since: str | None) -> Iterator[Page]:
        """The facts since a cursor (None: from the beginning the plugin chooses), a page at a time.

        `http` has no base address and no credentials; ask with `fetch_json`, which knows waiting, redirects and broken
        answers, or `connect` with it where the tool does not speak HTTP. An item that cannot be read stops nobody: leave it
        out, go on, and raise Invalid about it at the end.
        """
        return iter(())

    def accounts(self, http: "httpx.Client") -> Iterator[Account]:
        """The tool's agents."""
        return iter(())

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """Headers that `verify` accepts for this body at this moment: for samples, `simulate` and tests."""
        raise NotImplementedError(f"{type(self).__name__} cannot sign")
