"""The tools of plugin authors: strict JSON, times, signatures, ids, paged lists."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.plugin import (
    Answer,
    Delivery,
    Event,
    Invalid,
    Plugin,
    Refused,
    Secret,
    beginning,
    decode_json,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    jwt_claims,
    jwt_of,
    key_pair,
    key_set,
    list_of,
    object_of,
    one_name,
    parse_due,
    parse_time,
    plain_text,
    read_each,
    reading,
    refuse_stale,
    refuse_unread,
    secret_matches,
    text_of,
    walk,
    web_address,
    zone_name,
)
from tests import corpus

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize("body", corpus.bodies(), ids=lambda body: body.name)
def test_json_is_read_or_refused_with_a_reason(body: corpus.Body) -> None:
    if body.accepted:
        decode_json(body.content)
    else:
        with pytest.raises(Invalid) as caught:
            decode_json(body.content)
        assert caught.value.message


def test_json_is_read_as_written() -> None:
    assert decode_json('{"a":[1,-0.5,true,null,"é\\u00e9\\ud83d\\ude00"],"b":{}}'.encode()) == {
        "a": [1, -0.5, True, None, "éé😀"],
        "b": {},
    }


def test_brackets_and_commas_in_strings_are_not_counted() -> None:
    assert decode_json(b'["' + b'[{,\\"]' * 20_000 + b'"]')


def test_an_answer_we_asked_for_may_be_longer() -> None:
    body = b"[" + b"0," * 20_000 + b"0]"
    with pytest.raises(Invalid, match="10,000"):
        decode_json(body)
    assert len(decode_json(body, max_nodes=50_000)) == 20_001


def test_hostile_strings_are_read_once_and_not_once_per_quote() -> None:
    """Counted, not timed: every character belongs to one match of the scanner at most."""
    pattern = reading._STRING
    for body in (
        '"' + '\\"' * 2_000,
        '"' + '\\"' * 2_000 + "\\",
        '"' * 2_001,
        '"a\\' * 1_000,
        "\\" * 2_000 + '"',
    ):
        found = [match.span() for match in pattern.finditer(body)]
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(found))
        quotes = {position for position, char in enumerate(body) if char == '"'}
        covered = {position for begin, end in found for position in range(begin, end)}
        assert quotes <= covered  # no quote is left from which the scanner would have to start again
        with pytest.raises(Invalid):
            decode_json(body.encode())


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
        lambda s: st.lists(s, max_size=4),
    )
)
def test_whatever_is_json_to_others_and_decent_is_json_to_us(value: Any) -> None:
    assert decode_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(Invalid):
        decode_json(body)


# ---------------------------------------------------------------- times


@pytest.mark.parametrize("time", corpus.times(), ids=lambda time: time.name)
def test_a_time_is_read_or_refused(time: corpus.Time) -> None:
    if time.utc is None:
        with pytest.raises(Invalid):
            parse_time(time.value)
    else:
        assert parse_time(time.value) == datetime.fromisoformat(time.utc).replace(tzinfo=UTC)


def test_a_time_without_a_zone_is_utc_only_where_the_tool_is_known_to_mean_it() -> None:
    assert parse_time("2017-12-12T12:12:13", assume_utc=True) == datetime(
        2017, 12, 12, 12, 12, 13, tzinfo=UTC
    )
    with pytest.raises(Invalid, match="zone"):
        parse_time("2017-12-12T12:12:13")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T09:00Z", NOW),
        ("2026-11-20 09:00:00Z", NOW),
        ("2026-11-20T10:00:00+0100", NOW),
        ("2026-11-20T09:00:00.987654321Z", NOW + timedelta(microseconds=987654)),
        ("2026-11-20T09:00:00.5Z", NOW + timedelta(milliseconds=500)),
    ],
)
def test_the_forms_that_helpdesks_write_are_read(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "value",
    [None, True, [], {}, "", "now", "2026-11-20", "2026-11-20T09Z", "2026-11-20T09:00:00.Z", float("inf")],
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        parse_time(value)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div>Thank you!<br>It <b>works</b>&nbsp;now.</div>", "Thank you!\nIt works now."),
        ("<style>p{}</style><p>Hello</p><blockquote>On Monday <b>you</b> wrote</blockquote>", "Hello"),
        ("I &lt;3 you &amp; all", "I <3 you & all"),
        ("a < b\n\n\nc", "a < b\nc"),
        ("<p>", ""),
        ("", ""),
        ("<![CDATA[x]]><!-- a --><?php", "<?php"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
    ],
)
def test_a_mail_in_html_is_read_as_its_words(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_a_long_mail_in_html_is_read_at_once() -> None:
    for nasty in ("<" * 90_000, "<style>" * 9_000, "</p>" * 20_000, "&" * 90_000):
        plain_text(nasty)  # a pattern that goes back would not end
    assert len(plain_text("word " * 9_000)) == 2_000


@pytest.mark.parametrize("value", [None, 5, ["a"], "a\0b", "\ud800"])
def test_what_is_no_mail_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        plain_text(value)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-11-21", "2026-11-21T22:59:59Z"),
        ("2026-11-21 17:00", "2026-11-21T16:00:00Z"),
        ("2026-07-21T17:00:00", "2026-07-21T15:00:00Z"),
        ("2026-11-21T17:00:00Z", "2026-11-21T17:00:00Z"),
        ("2026-11-21T17:00:00+0200", "2026-11-21T15:00:00Z"),
        (1_795_000_000, "2026-11-18T11:06:40Z"),
    ],
)
def test_a_promised_moment_is_one_of_the_companys_zone(written: Any, utc: str) -> None:
    assert iso(parse_due(written, "Europe/Berlin")) == utc


@pytest.mark.parametrize("written", ["tomorrow", "2026-13-01", "17:00", "", None, True, [1]])
def test_a_promised_moment_that_is_none_is_refused(written: Any) -> None:
    with pytest.raises(Invalid):
        parse_due(written, "Europe/Berlin")


def test_settings_of_places_and_zones_say_how_to_write_them() -> None:
    assert one_name("fair-haven2") == "fair-haven2"
    for wrong in ("", "Fairhaven", "fairhaven.example.com", "https://fairhaven", "-a", "a" * 64, "a\n"):
        with pytest.raises(ValueError, match="first part of your address"):
            one_name(wrong)
    assert web_address("https://desk.example.com/sub/") == "https://desk.example.com/sub"
    for wrong in (
        "",
        "desk.example.com",
        "ftp://a.example",
        "https://me:pw@a.example",
        "https://a?b",
        "http://[::",
    ):
        with pytest.raises(ValueError, match="where the tool is"):
            web_address(wrong)
    assert zone_name("Europe/Berlin") == "Europe/Berlin"
    for wrong in ("", "Berlin", "../etc/passwd", "Europe/Nowhere", "a\0b"):
        with pytest.raises(ValueError, match="time zone"):
            zone_name(wrong)


def test_an_item_that_cannot_be_read_is_left_out_and_told_of() -> None:
    unread: list[str] = []
    assert read_each([1, "a", 2], lambda item: [parse_time(item)], unread) == [parse_time(1), parse_time(2)]
    with pytest.raises(Invalid, match="1 items could not be read"):
        refuse_unread(unread)
    refuse_unread([])


def test_a_first_pull_begins_at_its_setting_or_a_week_ago() -> None:
    assert iso(beginning(date(2026, 11, 1), None)) == "2026-11-01T00:00:00Z"
    assert beginning(None, NOW) == NOW - timedelta(days=7)
    with pytest.raises(Invalid, match="pull_from"):
        beginning(None, None)


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_signature_matches_in_its_one_spelling_only(algorithm: Any, encoding: Any) -> None:
    secret, how = Secret("hush"), {"algorithm": algorithm, "encoding": encoding}
    right = hmac_of(secret, b"body", **how)
    assert hmac_matches([secret], b"body", right, **how)
    for position in range(len(right)):
        for char in "0Aaé=\ud800":
            wrong = right[:position] + char + right[position + 1 :]
            assert wrong == right or not hmac_matches([secret], b"body", wrong, **how)
    for wrong in ("", " ", right + " ", " " + right, right * 2, right[:-1], right.rstrip("=") + "\n"):
        assert not hmac_matches([secret], b"body", wrong, **how)


def test_a_missing_or_empty_secret_accepts_nothing() -> None:
    empty = hmac_of(Secret(""), b"body")
    assert not hmac_matches([None, Secret("")], b"body", empty)
    assert hmac_matches([None, Secret("hush")], b"body", hmac_of(Secret("hush"), b"body"))


def test_a_shared_secret_matches_as_a_whole_only() -> None:
    old, new = Secret("the-old-one"), Secret("the-new-one")
    assert secret_matches([new, old], "the-old-one")
    assert secret_matches([new, None], "the-new-one")
    for wrong in (
        "",
        " ",
        "the-new-one ",
        "the-new-on",
        "The-new-one",
        "the-new-onethe-old-one",
        "\ud800",
        "é",
    ):
        assert not secret_matches([new, old], wrong)
    assert not secret_matches([None, Secret("")], "")


PUBLIC, PRIVATE = key_pair()


def test_a_token_is_read_with_the_key_that_it_names() -> None:
    strange, _ = key_pair()
    named = json.loads(PUBLIC)["keys"][0] | {"kid": "a"}
    several = {"keys": [{"kty": "EC", "kid": "a"}, json.loads(strange)["keys"][0] | {"kid": "b"}, named]}
    sets = [None, Secret(json.dumps(several))]
    for header in ({}, {"kid": "a"}):
        token = jwt_of(Secret(PRIVATE), {"iss": "us", "exp": 9}, **header)
        assert jwt_claims(sets, token) == {"iss": "us", "exp": 9}
    with pytest.raises(Refused, match="does not match"):
        jwt_claims(sets, jwt_of(Secret(PRIVATE), {}, kid="b"))
    with pytest.raises(Refused, match="not among ours"):
        jwt_claims(sets, jwt_of(Secret(PRIVATE), {}, kid="c"))
    with pytest.raises(Refused, match="not among ours"):
        jwt_claims([None], jwt_of(Secret(PRIVATE), {}))


def test_a_private_key_may_stand_between_its_lines() -> None:
    written = "\n".join(
        ["-----BEGIN PRIVATE KEY-----", PRIVATE[:64], PRIVATE[64:], "-----END PRIVATE KEY-----", ""]
    )
    assert jwt_of(Secret(written), {}) == jwt_of(Secret(PRIVATE), {})


def test_no_token_but_the_signed_one_is_read() -> None:
    keys, token = [Secret(PUBLIC)], jwt_of(Secret(PRIVATE), {"iss": "us"})
    header, claims, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    nested = base64.urlsafe_b64encode(b"[" * 4_000).decode().rstrip("=")
    texts = [
        "",
        ".",
        "..",
        "...",
        f"{unsigned}.{claims}.",
        f"{unsigned}.{claims}.{signature}",
        f"{token}=",
        f"{token}\n",
    ]
    texts += [
        f"{token}.x",
        f"{header}..{signature}",
        f"é.{claims}.{signature}",
        f"{nested}.{claims}.{signature}",
    ]
    # The last character holds four bits that say nothing: another spelling of the same signature
    texts += [token[:-1] + other for other in "BCDEFGHIRSTUVWXYhijklmnowxyz0123" if other != token[-1]]
    for text in texts:
        with pytest.raises(Refused):
            jwt_claims(keys, text)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', '{"keys": [{"kty": "RSA"}]}']
)
def test_public_keys_are_pasted_whole(text: str) -> None:
    with pytest.raises(ValueError, match="paste the whole text"):
        key_set(Secret(text))


def test_public_keys_may_be_left_out_and_have_space_around_them() -> None:
    assert key_set(None) is None
    padded = Secret(f"\n {PUBLIC}\n")
    assert key_set(padded) is padded


def test_a_time_stamp_may_be_five_minutes_off_either_way() -> None:
    for seconds in (-300, 300):
        refuse_stale(NOW, NOW + timedelta(seconds=seconds))
    for seconds in (-301, 301):
        with pytest.raises(Refused, match="301 s"):
            refuse_stale(NOW, NOW + timedelta(seconds=seconds))


def test_a_plugin_that_cannot_verify_takes_no_webhooks() -> None:
    with pytest.raises(Refused):
        Plugin().verify(Delivery(b"{}", {}, NOW))


# ---------------------------------------------------------------- texts and ids


def test_a_text_of_the_corpus_is_kept_or_refused() -> None:
    for name, text in corpus.texts().items():
        bad = "\x00" in text or re.search("[\ud800-\udfff]", text)
        if bad:
            with pytest.raises(Invalid):
                text_of(text)
        else:
            assert text_of(text) == text[:2_000], name


@pytest.mark.parametrize(
    ("value", "text"), [(77, "77"), ("77", "77"), (2**60, str(2**60)), ("ana@example.com", "ana@example.com")]
)
def test_an_id_is_the_same_as_number_and_as_text(value: Any, text: str) -> None:
    assert id_of(value) == text


@pytest.mark.parametrize("value", [None, "", 0])
def test_no_id_is_none(value: Any) -> None:
    assert id_of(value) is None


@pytest.mark.parametrize(
    "value", [True, False, 1.5, [], {}, ["1"], "a\nb", "\x00", " ", "x" * 161, "\u202e1"]
)
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        id_of(value)


def test_objects_and_lists_are_what_they_should_be() -> None:
    assert object_of(None, "x") == {}
    assert object_of({"a": 1}, "x") == {"a": 1}
    assert list_of([], "x") == []
    for wrong in ([], "x", 1, True):
        with pytest.raises(Invalid, match="the user is not an object"):
            object_of(wrong, "the user")
    for wrong in (None, {}, "x", 1):
        with pytest.raises(Invalid, match="users is not a list"):
            list_of(wrong, "users")


@pytest.mark.parametrize(
    "fact",
    [
        {"kind": "thanks.invented"},
        {"key": ""},
        {"key": "x" * 201},
        {"occurred_at": NOW.replace(tzinfo=None)},
        {"due_at": NOW.replace(tzinfo=None)},
        {"kind": "fact.withdrawn"},
    ],
)
def test_an_event_that_cannot_be_right_is_not_made(fact: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Event(**{"key": "k", "kind": "rating.good", "occurred_at": NOW, **fact})


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://desk.example.com/tickets/1", True),
        ("http://desk.example.com/tickets/1", True),
        ("/stories/1", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//evil.example/", False),
        ("/\\evil.example/", False),
        ("/\t/evil.example/", False),
        ("https:/\n/evil.example", False),
        ("vbscript:x", False),
        ("", False),
    ],
)
def test_a_facts_address_leads_to_the_web_or_nowhere(url: str, kept: bool) -> None:
    event = Event("k", "rating.good", NOW, url=url)
    assert event.url == (url if kept else None)


# ---------------------------------------------------------------- paged lists


def pages(numbers: Iterator[Any]) -> Any:
    """Answers whose `next` are these, and the list of addresses that were fetched."""
    fetched: list[str] = []

    def fetch(url: str) -> Answer:
        fetched.append(url)
        return Answer({"next": next(numbers)}, {})

    return fetch, fetched


def test_a_list_is_read_to_its_end() -> None:
    fetch, fetched = pages(iter(["https://a.example/2", "https://a.example/3", None]))
    assert len(list(walk("https://a.example/1", fetch, lambda value: value["next"]))) == 3
    assert fetched == [f"https://a.example/{number}" for number in (1, 2, 3)]


def test_a_list_without_an_end_is_left_after_a_thousand_pages() -> None:
    fetch, fetched = pages(f"https://a.example/{number}" for number in range(10_000))
    with pytest.raises(Invalid, match="not to end"):
        list(walk("https://a.example/", fetch, lambda value: value["next"]))
    assert len(fetched) == 1_000


@pytest.mark.parametrize(
    "there",
    ["https://b.example/", "http://a.example/", "https://a.example:444/", "https://a.example@b.example/"],
)
def test_a_list_is_not_followed_to_another_host(there: str) -> None:
    fetch, fetched = pages(iter([there]))
    with pytest.raises(Invalid, match="another host"):
        list(walk("https://a.example/", fetch, lambda value: value["next"]))
    assert len(fetched) == 1


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Fri, 20 Nov 2026 09:00:00 GMT", NOW),
        ("", None),
        ("yesterday", None),
        ("Fri, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_an_answer_says_what_time_it_is_where_it_is(date: str, moment: datetime | None) -> None:
    assert Answer({}, {"date": date}).served_at == moment
