"""Standard Webhooks: the published vector, every way to get a header wrong (W of the corpus), and the body's rules."""

import base64
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook

from leaderboard import config
from leaderboard.plugin import Delivery, Event, Invalid, Refused
from plugins.standard import NOT_SENT, TYPES, Standard, schema
from tests.plugins import OF_TOOL

# The vector of the specification's own libraries (standard-webhooks/standard-webhooks, test_webhooks.py)
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_STAMP = 1614265330
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
VECTOR_BODY = b'{"test": 2432232314}'
OTHER = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def vector(
    stamp: str = str(VECTOR_STAMP), signature: str = VECTOR_SIGNATURE, number: str = VECTOR_ID, **other: Any
) -> Delivery:
    headers = {"webhook-id": number, "webhook-timestamp": stamp, "webhook-signature": signature}
    received_at = datetime.fromtimestamp(VECTOR_STAMP + other.pop("later", 0), UTC)
    return Delivery(other.pop("body", VECTOR_BODY), headers, received_at)


def own(number: str, stamp: str, body: bytes = VECTOR_BODY) -> str:
    """A right signature for any id and time stamp, also those that no sender should use."""
    key = base64.b64decode(VECTOR_SECRET.removeprefix("whsec_"))
    signed = number.encode("utf-8", "replace") + b"." + stamp.encode("utf-8", "replace") + b"." + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


@pytest.fixture
def standard() -> Standard:
    return Standard(secret=VECTOR_SECRET)


# ---------------------------------------------------------------- signatures


def test_the_published_vector_is_accepted(standard: Standard) -> None:
    standard.verify(vector())


@pytest.mark.parametrize(
    "signature",
    [
        f"{OTHER} v2,{OTHER[3:]} {VECTOR_SIGNATURE} {OTHER}",
        f"{' '.join([OTHER] * 49)} {VECTOR_SIGNATURE}",
        f"v1a,ed25519-of-somebody {VECTOR_SIGNATURE}",
    ],
    ids=["among other versions", "W11 the last of 50", "beside an asymmetric one"],
)
def test_one_right_signature_of_several_is_enough(standard: Standard, signature: str) -> None:
    standard.verify(vector(signature=signature))


SIGNATURE = VECTOR_SIGNATURE.removeprefix("v1,")
RAW = base64.b64decode(SIGNATURE)
WRONG_SIGNATURES = {
    "W2 empty": "",
    "W3 spaces": "   ",
    "W4 v1": "v1",
    "W5 v1,": "v1,",
    "W6 v1,a,b": "v1,a,b",
    "W7 not base64": "v1,%%%",
    "W8 not ASCII": "v1,é",
    "W9 v0": f"v0,{SIGNATURE}",
    "v2": f"v2,{SIGNATURE}",
    "W10 only v1a": f"v1a,{SIGNATURE}",
    "W12 a thousand": " ".join([OTHER] * 1000),
    "W12 a thousand and a right one": " ".join([OTHER] * 1000 + [VECTOR_SIGNATURE]),
    "W13 hexadecimal": f"v1,{RAW.hex()}",
    "W14 base64url": f"v1,{base64.urlsafe_b64encode(RAW).decode()}",
    "W15 without padding": VECTOR_SIGNATURE.rstrip("="),
    "W15 another spelling of the same bytes": VECTOR_SIGNATURE.replace("1OE=", "1OF="),
    "W16 upper case": VECTOR_SIGNATURE.upper(),
    "W17 without a version": SIGNATURE,
    "W18 SHA-1": "sha1=" + hmac.digest(b"x", VECTOR_BODY, "sha1").hex(),
    "W19 of an empty body": own(VECTOR_ID, str(VECTOR_STAMP), b""),
    "W20 of the body written anew": own(VECTOR_ID, str(VECTOR_STAMP), b'{"test":2432232314}'),
    "W23 truncated": VECTOR_SIGNATURE[:14],
    "W24 doubled": VECTOR_SIGNATURE + VECTOR_SIGNATURE,
    "W24 doubled as a list": f"{VECTOR_SIGNATURE},{VECTOR_SIGNATURE}",
    "the published wrong one": VECTOR_SIGNATURE.replace("1OE=", "1OA="),
    "a lone surrogate": "v1,\ud800",
}


@pytest.mark.parametrize("case", WRONG_SIGNATURES)
def test_a_wrong_signature_is_refused(standard: Standard, case: str) -> None:
    with pytest.raises(Refused):
        standard.verify(vector(signature=WRONG_SIGNATURES[case]))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_w1_w34_a_missing_header_is_refused(standard: Standard, name: str) -> None:
    headers = {key: value for key, value in vector().headers.items() if key != name}
    with pytest.raises(Refused):
        standard.verify(Delivery(VECTOR_BODY, headers, vector().received_at))


def test_w21_a_rotated_key_is_accepted_until_it_is_removed() -> None:
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    Standard(secret=new, previous_secret=VECTOR_SECRET).verify(vector())
    with pytest.raises(Refused):
        Standard(secret=new).verify(vector())


def test_w22_the_key_of_another_source_is_refused() -> None:
    with pytest.raises(Refused):
        Standard(secret="whsec_" + base64.b64encode(b"o" * 32).decode()).verify(vector())


@pytest.mark.parametrize(("later", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_w25_w26_five_minutes_either_way(standard: Standard, later: int, accepted: bool) -> None:
    if accepted:
        standard.verify(vector(later=later))
    else:
        with pytest.raises(Refused, match="clock"):
            standard.verify(vector(later=later))


@pytest.mark.parametrize(
    "stamp",
    [
        "nan",
        "1e400",
        "-1614265330",
        "1614265330000",
        "1614265330.5",
        "١٦١٤٢٦٥٣٣٠",
        "1614265330,1614265330",
        "",
        " ",
        "9" * 400,
        "+1",
        "0x1",
    ],
)
def test_w27_to_w33_a_time_stamp_that_is_none_is_refused_though_signed(
    standard: Standard, stamp: str
) -> None:
    with pytest.raises(Refused):
        standard.verify(vector(stamp=stamp, signature=own(VECTOR_ID, stamp)))


@pytest.mark.parametrize("number", ["", "x" * 10_240, "msg\x00", "msg\r\nx: y", "mśg", " " * 300])
def test_w35_w36_w38_an_id_that_is_none_is_refused_though_signed(standard: Standard, number: str) -> None:
    with pytest.raises(Refused):
        standard.verify(vector(number=number, signature=own(number, str(VECTOR_STAMP))))


def test_w37_an_id_with_full_stops_cannot_shift_what_was_signed(standard: Standard) -> None:
    stamp = str(VECTOR_STAMP)
    signature = own("a.5", stamp)
    standard.verify(vector(number="a.5", signature=signature))
    with pytest.raises(Refused):
        standard.verify(
            vector(number="a", stamp="5", signature=signature, body=f"{stamp}.".encode() + VECTOR_BODY)
        )


def test_other_libraries_and_ours_understand_each_other(standard: Standard) -> None:
    moment = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    stamp = str(int(moment.timestamp()))
    signature = Webhook(VECTOR_SECRET).sign("msg_1", moment, VECTOR_BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}
    standard.verify(Delivery(VECTOR_BODY, headers, moment))
    ours = standard.sign(VECTOR_BODY, moment)
    theirs = Webhook(VECTOR_SECRET).sign(ours["webhook-id"], moment, VECTOR_BODY.decode())
    assert theirs == ours["webhook-signature"]


@pytest.mark.parametrize(
    "secret",
    [VECTOR_SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(b"k" * 32).decode().rstrip("=")],
)
def test_a_secret_may_come_without_its_prefix_or_padding(secret: str) -> None:
    plugin = Standard(secret=secret)
    moment = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    signed = plugin.sign(VECTOR_BODY, moment)
    plugin.verify(Delivery(VECTOR_BODY, signed, moment))
    full = "whsec_" + secret.removeprefix("whsec_")
    full += "=" * (-(len(full) - 6) % 4)
    assert (
        Webhook(full).sign(signed["webhook-id"], moment, VECTOR_BODY.decode()) == signed["webhook-signature"]
    )


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", "whsec_" + "A" * 400, "whsec_é"]
)
def test_a_secret_that_is_none_stops_the_start_without_being_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Standard(secret=secret)
    assert "whsec_%%%" not in str(caught.value)
    with pytest.raises(config.ConfigError, match=r"line 2, \[plugins\.standard\] secret"):
        config.read(f"[plugins.standard]\nsecret = {json.dumps(secret)}\n")


# ---------------------------------------------------------------- bodies

FACT = {"key": "k-1", "agent": "ana@example.com"}


def events_of(type_: Any, timestamp: Any = "2026-11-20T09:00:00Z", **data: Any) -> list[Event]:
    body = json.dumps({"type": type_, "timestamp": timestamp, "data": data}).encode()
    return list(
        Standard(secret=VECTOR_SECRET).events(Delivery(body, {}, datetime(2026, 11, 20, 9, 0, tzinfo=UTC)))
    )


def test_w39_the_fact_counts_and_not_the_deliverys_id() -> None:
    assert (
        events_of("rating.good", **FACT)[0].key
        == events_of("rating.good", **{**FACT, "text": "again"})[0].key
    )


def test_w41_other_families_are_ignored_and_typing_mistakes_are_named() -> None:
    assert events_of("invoice.paid", anything=1) == []
    with pytest.raises(Invalid, match=r"'thanks\.recieved' is not a type"):
        events_of("thanks.recieved", **FACT)


@pytest.mark.parametrize("kind", sorted(NOT_SENT))
def test_what_colleagues_and_the_core_decide_is_not_taken_from_outside(kind: str) -> None:
    with pytest.raises(Invalid, match="not taken from outside"):
        events_of(kind, **FACT)


@pytest.mark.parametrize("timestamp", ["2001-01-01T00:00:00Z", "2099-12-31T23:59:59Z"])
def test_w43_a_fact_keeps_its_own_time_however_odd(timestamp: str) -> None:
    assert events_of("rating.good", timestamp, **FACT)[0].occurred_at.isoformat() == timestamp.replace(
        "Z", "+00:00"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"agent": "a"}, "data.key"),
        ({"key": "k"}, "needs data.agent"),
        ({**FACT, "points": 1000}, "data.points: there is no such field"),
        ({**FACT, "guideline": "team-player"}, "data.guideline"),
        ({**FACT, "ticket": 4711}, "data.ticket"),
        ({**FACT, "key": ""}, "data.key"),
        ({**FACT, "key": "k" * 151}, "data.key"),
        ({**FACT, "key": "a\nb"}, "data.key"),
        ({**FACT, "key": "\u2028"}, "data.key"),
        ({**FACT, "agent": ["ana"]}, "data.agent"),
        ({**FACT, "url": "javascript:alert(1)"}, "data.url"),
        ({**FACT, "url": "https://"}, "data.url"),
        ({**FACT, "url": "https://a b"}, "data.url"),
        ({**FACT, "url": "https://x/" + "a" * 2000}, "data.url"),
        ({**FACT, "due_at": "tomorrow"}, "data.due_at"),
        ({**FACT, "due_at": 1795000000}, "data.due_at"),
        ({**FACT, "text": {"a": 1}}, "data.text"),
    ],
)
def test_a_wrong_field_is_named(data: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        events_of("rating.good", **data)
    assert words in caught.value.message


@pytest.mark.parametrize("body", [{}, {"type": None}, {"type": 5}, {"type": []}, [], "x", None])
def test_a_body_without_a_type_is_said_to_have_none(body: Any) -> None:
    delivery = Delivery(json.dumps(body).encode(), {}, datetime(2026, 11, 20, tzinfo=UTC))
    with pytest.raises(Invalid, match=r"type|not an object"):
        list(Standard(secret=VECTOR_SECRET).events(delivery))


@pytest.mark.parametrize("kind", ["promise.made", "promise.moved"])
def test_a_promise_says_by_when(kind: str) -> None:
    with pytest.raises(Invalid, match=r"needs data\.due_at"):
        events_of(kind, **FACT)
    due = events_of(kind, **FACT, due_at="2026-11-20T12:00:00+01:00")[0].due_at
    assert due == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)


def test_all_facts_of_one_promise_share_its_key_and_object() -> None:
    made = events_of("promise.made", **FACT, ticket="9", due_at="2026-11-21T09:00:00Z")[0]
    kept = events_of("promise.kept", **FACT, ticket="9")[0]
    assert made.object == kept.object == "promise/k-1"
    assert made.key != kept.key


def test_ratings_of_one_customer_on_one_ticket_are_about_one_thing() -> None:
    where = {"ticket": "9", "customer": "Mr Ito"}
    bad = events_of("rating.bad", **{**FACT, "key": "bad-1"}, **where)[0]
    good = events_of("thanks.received", **{**FACT, "key": "good-2"}, **where)[0]
    other = events_of("thanks.received", **FACT, ticket="9", customer="Ms Weber")[0]
    assert bad.object == good.object != other.object
    assert "Ito" not in (bad.object or "")
    assert (
        events_of("rating.bad", **FACT)[0].object
        == events_of("rating.good", **FACT)[0].object
        == "rating/k-1"
    )
    assert events_of("rating.good", **FACT, object="survey/5")[0].object == "survey/5"


def test_a_withdrawal_takes_back_what_came_under_the_key() -> None:
    thanks = events_of("thanks.received", **FACT)[0]
    withdrawn = events_of("fact.withdrawn", key="w-1", object="k-1")
    assert thanks.key in {event.object for event in withdrawn}
    assert len({event.key for event in withdrawn}) == len(withdrawn) == len(TYPES) - 1
    exact = events_of("fact.withdrawn", key="w-1", object=thanks.key)
    assert [event.object for event in exact] == [thanks.key]
    with pytest.raises(Invalid, match=r"needs data\.object"):
        events_of("fact.withdrawn", **FACT)


def test_long_words_are_cut_and_blank_ones_are_none() -> None:
    assert events_of("thanks.received", **FACT, text="é" * 5_000)[0].text == "é" * 2_000
    assert events_of("thanks.received", **FACT, text=" \n ")[0].text is None


def test_names_of_any_script_are_customers() -> None:
    name = "می\u200cخواهم 👨\u200d👩\u200d👧"  # zero-width joiners belong to them
    assert events_of("rating.good", **FACT, customer=name)[0].customer == name


# ---------------------------------------------------------------- the published schema


def test_the_published_schema_is_the_one_that_is_read() -> None:
    published = json.loads(
        Path(config.folder("plugins").parent, "docs/events.schema.json").read_text("utf-8")
    )
    assert published == schema(), "write it anew, from plugins.standard.schema()"


def test_the_schema_is_valid_and_describes_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    fields = {**schema()["properties"], **schema()["$defs"]["Data"]["properties"]}
    assert [name for name, field in fields.items() if "description" not in field and name != "data"] == []


def test_schema_and_plugin_agree_on_samples_and_on_mistakes() -> None:
    judge = jsonschema.Draft202012Validator(schema())
    plugin = Standard(secret=VECTOR_SECRET)
    bodies = [sample.json() for sample in OF_TOOL["standard"] if sample.events]
    thanks, made = bodies[0], next(body for body in bodies if body["type"] == "promise.made")
    withdrawn = next(body for body in bodies if body["type"] == "fact.withdrawn")
    wrong = [
        {**thanks, "type": "thanks.recieved"},
        {**thanks, "more": 1},
        {**withdrawn, "data": {"key": "w"}},
    ]
    wrong += [{key: value for key, value in thanks.items() if key != name} for name in thanks]
    for body in (thanks, made):
        for name in ("key", "agent", *(["due_at"] if "due_at" in body["data"] else [])):
            wrong.append({**body, "data": {key: value for key, value in body["data"].items() if key != name}})
            wrong.append({**body, "data": {**body["data"], name: None}})
            wrong.append({**body, "data": {**body["data"], name: 5}})
        wrong.append({**body, "data": {**body["data"], "url": "ftp://x"}})
    for body in bodies + wrong:
        delivery = Delivery(json.dumps(body).encode(), {}, datetime(2026, 11, 20, tzinfo=UTC))
        try:
            read = bool(list(plugin.events(delivery)))
        except Invalid:
            read = False
        assert read == judge.is_valid(body) == (body in bodies), body
