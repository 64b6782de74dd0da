"""Standard: any sender that speaks Standard Webhooks (https://www.standardwebhooks.com) and writes our small event body."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.types import SecretStr

from leaderboard.plugin import (
    KINDS,
    Delivery,
    Event,
    Invalid,
    Plugin,
    Refused,
    Secret,
    object_of,
    parse_time,
    refuse_stale,
    short_hash,
    text_of,
)

Type = Literal[
    "thanks.received",
    "rating.good",
    "rating.bad",
    "promise.made",
    "promise.moved",
    "promise.kept",
    "promise.missed",
    "ticket.solved",
    "ticket.reopened",
    "ticket.replied",
    "help.given",
    "knowledge.shared",
    "fact.withdrawn",
]
TYPES: tuple[str, ...] = get_args(Type)
NOT_SENT = {
    "story.accepted": "stories are told and accepted in Extra Mile itself",
    "story.cosigned": "stories are told and accepted in Extra Mile itself",
    "rating.recovered": (
        "send rating.bad, ticket.replied and then rating.good or thanks.received with the same ticket and customer; "
        "the recovery is worked out from them"
    ),
}
FAMILIES = {kind.split(".")[0] for kind in KINDS}


# Joiners and direction marks belong to names in many scripts; control characters and line breaks to none
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _name(value: Any) -> Any:
    if isinstance(value, str) and (value.isspace() or _NOT_IN_NAMES.search(value)):
        raise ValueError("a name is not blank and has no control characters or line breaks")
    return value


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("write the time as 2026-11-20T09:00:00Z")
    try:
        return parse_time(value)
    except Invalid as error:
        raise ValueError(error.message) from None


Name = Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=150)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Data(BaseModel):
    """What happened. Every text is text: ids and ticket numbers too are written in quotes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: Name = Field(
        description=(
            "The fact's own stable name in your system. Sent again with the same type and key, it is the same fact and "
            "earns nothing more. All facts of one promise carry the same key."
        )
    )
    agent: Name | None = Field(
        None,
        description="Whose credit it is: an e-mail address or your system's account id. Needed for all but fact.withdrawn.",
    )
    giver: Name | None = Field(
        None, description="help.given: the colleague who was helped (the ticket's owner)."
    )
    ticket: Name | None = Field(None, description="The ticket it belongs to.")
    customer: Name | None = Field(
        None, description="Who the customer is: a stable id, an address or a name. Limits count by it."
    )
    text: str | None = Field(None, description="The customer's words. The first 2,000 characters are kept.")
    url: str | None = Field(
        None,
        max_length=2000,
        pattern=r"^https?://[^\s\x00-\x1f\x7f]+$",
        description="Where to look at it in your system.",
    )
    due_at: Moment | None = Field(
        None, description="Promises: by when. Needed for promise.made and promise.moved. It says its zone."
    )
    object: Name | None = Field(
        None,
        description=(
            "What the fact is about, where several facts are about one thing. Left out: for ratings and thanks the ticket "
            "and customer (without a ticket the key), for promises the key, for the rest of the ticket's facts the ticket. "
            "For fact.withdrawn it is needed and names the key of the fact that no longer holds."
        ),
    )


def _needs(name: str) -> dict[str, Any]:
    return {"properties": {"data": {"required": [name], "properties": {name: {"type": "string"}}}}}


class Envelope(BaseModel):
    """One event for Extra Mile, as the body of a Standard Webhook."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        title="Extra Mile event",
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": "fact.withdrawn"}}},
                    "then": _needs("object"),
                    "else": _needs("agent"),
                },
                {
                    "if": {"properties": {"type": {"enum": ["promise.made", "promise.moved"]}}},
                    "then": _needs("due_at"),
                },
            ]
        },
    )

    type: Type = Field(
        description="What kind of fact it is. Bodies with types of other families are ignored."
    )
    timestamp: Moment = Field(description="When it happened, in your system's time, with its zone.")
    data: Data

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Envelope":
        needed = ["object"] if self.type == "fact.withdrawn" else ["agent"]
        if self.type in ("promise.made", "promise.moved"):
            needed.append("due_at")
        for name in needed:
            if getattr(self.data, name) is None:
                raise ValueError(f"{self.type} needs data.{name}")
        return self


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the body, made from the model that reads it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Envelope.model_json_schema()}


class Standard(Plugin):
    """`[plugins.standard]`, or any section with `module = "standard"`: one section per sender."""

    title = "Standard Webhooks"
    earns = TYPES
    to_tick = (
        "POST, application/json, signed as Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature)",
        "each type of fact that you want to count: thanks.received, rating.good, rating.bad, promise.made …",
    )

    secret: Secret
    """whsec_ and 24 to 64 bytes in base64, as the sender shows it."""
    previous_secret: Secret | None = None

    @field_validator("secret", "previous_secret")
    @classmethod
    def _is_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _key(secret)
        return secret

    def verify(self, delivery: Delivery) -> None:
        """Check id, time stamp and body against the `v1` signatures; one good one of the list is enough."""
        number, stamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
        if not (0 < len(number) <= 256 and number.isascii() and number.isprintable()):
            raise Refused("the header webhook-id is missing or not a plain text")
        # Digits only: int() and float() would also take nan, 1e400 and the digits of other scripts
        if not re.fullmatch(r"[0-9]{1,12}", stamp):
            raise Refused("the header webhook-timestamp is not a number of seconds")
        signed = f"{number}.{stamp}.".encode() + delivery.body
        claims = [
            claim.encode("utf-8", "replace") for claim in delivery.header("webhook-signature").split(" ")
        ]
        if len(claims) > 100:
            raise Refused("the header webhook-signature lists more than 100 signatures")
        matched = False
        for secret in (self.secret, self.previous_secret):
            if secret is not None:
                expected = _signature(secret, signed).encode()
                for claim in claims:
                    matched |= hmac.compare_digest(expected, claim)
        if not matched:
            raise Refused("no v1 signature matches; compare the secret on both sides")
        try:
            sent_at = datetime.fromtimestamp(int(stamp), UTC)
        except (ValueError, OverflowError, OSError):
            raise Refused("the header webhook-timestamp is not a time that exists") from None
        refuse_stale(sent_at, delivery.received_at)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The one fact of a body of ours; nothing for other families of events, which such senders also have."""
        body = object_of(delivery.json(), "the body")
        kind = body.get("type")
        if not isinstance(kind, str):
            raise Invalid("the body has no `type`; see docs/events.schema.json", "type")
        if kind not in TYPES:
            if kind in NOT_SENT:
                raise Invalid(f"{kind} is not taken from outside: {NOT_SENT[kind]}", "type")
            if kind.split(".")[0] in FAMILIES:
                raise Invalid(f"{kind[:60]!r} is not a type; it is one of {', '.join(TYPES)}", "type")
            return
        try:
            yield from _events(Envelope.model_validate(body))
        except ValidationError as error:
            raise _invalid(error) from None

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The three headers of a Standard Webhook; the id follows from body and moment, so a repetition has the same one."""
        stamp = str(int(moment.timestamp()))
        number = f"msg_{short_hash(stamp, body.hex())}"
        return {
            "webhook-id": number,
            "webhook-timestamp": stamp,
            "webhook-signature": _signature(self.secret, f"{number}.{stamp}.".encode() + body),
        }


def _events(fact: Envelope) -> Iterator[Event]:
    data = fact.data
    if fact.type == "fact.withdrawn":
        # The sender knows its key, not under which types it came: whatever it brought is taken back.
        named = data.object or ""
        exact = named.split("/")[0] in TYPES and "/" in named
        for key in [named] if exact else [f"{kind}/{named}" for kind in TYPES if kind != fact.type]:
            yield Event(
                f"{fact.type}/{short_hash(data.key, key)}",
                fact.type,
                fact.timestamp,
                object=key,
                ticket=data.ticket,
            )
        return
    yield Event(
        # A promise is made, moved and kept under one key, so the type belongs to the fact's name.
        key=f"{fact.type}/{data.key}",
        kind=fact.type,
        occurred_at=fact.timestamp,
        agents=(data.agent,) if data.agent else (),
        giver=data.giver,
        customer=data.customer,
        object=data.object or _about(fact.type, data),
        ticket=data.ticket,
        text=text_of(data.text) if data.text and not data.text.isspace() else None,
        url=data.url,
        due_at=data.due_at,
    )


def _about(kind: str, data: Data) -> str:
    family = kind.split(".")[0]
    if family in ("rating", "thanks"):
        # Hashed, because an event's object outlives the customer's address
        who = f"/{short_hash(data.customer)[:8]}" if data.customer else ""
        return f"rating/{data.ticket}{who}" if data.ticket else f"rating/{data.key}"
    return f"ticket/{data.ticket}" if family == "ticket" and data.ticket else f"{family}/{data.key}"


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value().removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a secret is whsec_ followed by base64, as the sender shows it") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a secret holds 24 to 64 bytes; this one holds {len(key)}")
    return key


def _signature(secret: SecretStr, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def _invalid(error: ValidationError) -> Invalid:
    """The first mistake, in words for whoever looks after the sender."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "there is no such field; see docs/events.schema.json"
    return Invalid(f"{where}: {what}" if where else what, where or None)
