"""Thanks by mail, on a real IMAP server: which mails count, whom they thank, and what of them is kept."""

from collections.abc import Iterator
from datetime import date, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard import deliveries, outgoing, standings
from leaderboard.check import check
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused, TryLater
from plugins.mailbox import Mailbox
from plugins.mailbox.imap import Message, folder_name
from tests import corpus
from tests.make import NOON, Clock, Company
from tests.plugins.mailboxes import CAME, HERE, Desk, mail, running, saying
from tests.plugins.pulls_h import SHOWN

FOLDERS = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("mail")) as desk:
        yield desk


@pytest.fixture
def desk(server: Desk) -> Desk:
    """The server, with a folder of this test's own."""
    server.folder = f"Box{next(FOLDERS)}"
    server.imap.create(server.folder)
    return server


def texts(events: list[Event]) -> list[str | None]:
    return [event.text for event in events]


def of(message: bytes, **given: Any) -> list[Event]:
    """What one mail means, without a server."""
    asked: dict[str, Any] = {"host": HERE, "user": "u", "password": "p", "staff_domains": ["example.com"]}
    told = {"authserv_id": "mx.example.com", "address": "thanks@example.com"}
    return list(Mailbox(**{**asked, **told, **given})._event("INBOX", Message(1, CAME, message)))


# ---------------------------------------------------------------- the pull


def test_a_customers_mail_thanks_who_stands_behind_the_plus(desk: Desk) -> None:
    desk.put(mail("Subject: Our luggage", "Date: Mon, 01 Jan 2001 00:00:00 +0000"))
    (event,), _ = desk.pull()
    assert SHOWN["mailbox"] == {event.kind}
    assert (event.kind, event.agents, event.giver) == ("thanks.received", ("ana@example.com",), None)
    assert (event.customer, event.text, event.occurred_at) == ("ito@example.org", "Thank you, Ana!", CAME)


def test_every_mail_comes_once_however_the_pull_is_broken_off(desk: Desk) -> None:
    for number in range(24):
        desk.put(mail(number=f"<{number}@example.org>", body=f"Thanks {number}"))
    with outgoing.client({HERE}, {HERE}) as http:
        cursor = next(iter(desk.make().pull(http, None))).cursor
    later, cursor = desk.pull(cursor)
    assert texts(later) == [f"Thanks {number}" for number in range(20, 24)]
    assert desk.pull(cursor)[0] == []
    desk.put(mail(number="<new@example.org>", body="One more"))
    assert texts(desk.pull(cursor)[0]) == ["One more"]
    assert len({event.key for event in desk.pull()[0]}) == 25


def test_the_first_pull_begins_seven_days_before_the_newest_mail_or_at_pull_from(desk: Desk) -> None:
    for days in (30, 8, 6, 0):
        desk.put(mail(number=f"<{days}@x>", body=f"{days} days"), came=CAME - timedelta(days=days))
    events, cursor = desk.pull()
    assert texts(events) == ["6 days", "0 days"]
    desk.put(mail(number="<old@x>", body="moved here today"), came=CAME - timedelta(days=20))
    assert desk.pull(cursor)[0] == []
    assert len(desk.pull(pull_from=date(2026, 10, 31))[0]) == 4


def test_a_folder_that_is_numbered_anew_is_read_again_under_the_same_names(desk: Desk) -> None:
    desk.put(mail())
    events, cursor = desk.pull()
    desk.imap.delete(desk.folder)
    desk.imap.create(desk.folder)
    desk.put(mail())
    again, _ = desk.pull(cursor)
    assert [event.key for event in again] == [event.key for event in events]


def test_an_empty_folder_brings_nothing_and_one_that_is_missing_says_so(desk: Desk) -> None:
    assert desk.pull()[0] == []
    with pytest.raises(Invalid, match="no folder 'Elsewhere'"):
        desk.pull(folders=[desk.folder, "Elsewhere"])


def test_nothing_is_changed_in_the_mailbox(desk: Desk) -> None:
    desk.put(mail())
    desk.pull()
    desk.imap.select(desk.folder)
    assert desk.imap.uid("SEARCH", "UNSEEN")[1] == desk.imap.uid("SEARCH", "ALL")[1] != [b""]
    desk.imap.close()


def test_a_folder_of_somebodys_own_thanks_them_whatever_its_name(desk: Desk) -> None:
    name = f"{desk.folder}/Für Änne & Ben 感謝"
    desk.imap.create(folder_name(name))
    desk.put(mail(to="desk@example.com"), folder=folder_name(name).strip('"'))
    settings = {"folder_people": {name: "Ben@example.com"}, "address": None}
    assert [event.agents for event in desk.pull(**settings)[0]] == [("ben@example.com",)]


def test_a_mail_counts_when_it_gets_its_keyword(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.put(
            mail(number=f"<{number}@x>", body=f"Mail {number}"), keyword="$Thanks" if number == 2 else ""
        )
    events, cursor = desk.pull(keyword="$Thanks")
    assert texts(events) == ["Mail 2"]
    desk.imap.select(desk.folder)
    desk.imap.store("1", "+FLAGS", "$Thanks")
    desk.imap.close()
    later, cursor = desk.pull(cursor, keyword="$Thanks")
    assert texts(later) == ["Mail 1"]
    assert desk.pull(cursor, keyword="$Thanks")[0] == []


@pytest.mark.parametrize(
    "cursor", ["nonsense", "[]", '{"INBOX": 5}', '{"INBOX": [1, 2]}', '{"INBOX": ["x", 1, "", []]}']
)
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(Invalid):
        desk.pull(cursor.replace("INBOX", desk.folder))


def test_addresses_of_a_length_that_nobody_has_hold_up_nobody(desk: Desk) -> None:
    desk.put(mail(sender=f"{'a' * 64}@{'b' * 200}.example", number="<1@x>"))
    desk.put(mail(to=f"thanks+{'a' * 60}={'b' * 200}.example@example.com", number="<2@x>"))
    desk.put(mail(number="<3@x>"))
    assert [event.customer for event in desk.pull()[0]] == ["ito@example.org"]


# ---------------------------------------------------------------- what was forwarded


def attached(colleague: str, **of_inner: Any) -> bytes:
    """A colleague's mail with a customer's as an attachment, as it came in."""
    outer = EmailMessage()
    outer["Authentication-Results"] = "mx.example.com; dmarc=pass header.from=example.com"
    outer["From"], outer["To"], outer["Message-ID"] = colleague, "thanks+ana@example.com", "<fwd@example.com>"
    outer.set_content("Look what came in!\n")
    outer.add_attachment(message_from_bytes(mail(**{"to": "desk@example.com", **of_inner}), policy=default))
    return outer.as_bytes()


INLINE = {
    "gmail": (
        "FYI\n\n---------- Forwarded message ---------\nFrom: Ito <ito@example.org>\nDate: Fri, 20 Nov 2026 at 08:00\n"
        "Subject: Luggage\nTo: <desk@example.com>\n\n\nThank you, Ana!\n"
    ),
    "outlook, German": (
        "-----Ursprüngliche Nachricht-----\nVon: Ito, K. <ito@example.org>\nGesendet: Freitag, 20. November 2026 08:00\n"
        "An: Desk <desk@example.com>\nBetreff: Gepäck\n\nThank you, Ana!\n\n-- \nSent from a phone\n"
    ),
    "apple": (
        "\n> Begin forwarded message:\n> \n> From: Ito <ito@example.org>\n> Subject: Luggage\n> Date: 20 November 2026\n"
        "> To: desk@example.com\n> \n> Thank you, Ana!\n"
    ),
    "thunderbird": (
        "-------- Weitergeleitete Nachricht --------\nBetreff: \tGepäck\nDatum: \tFri, 20 Nov 2026 08:00:00 +0000\n"
        "Von: \tito@example.org\nAn: \tdesk@example.com\n\nThank you, Ana!\n"
    ),
}


@pytest.mark.parametrize("program", INLINE)
def test_a_mail_forwarded_in_a_text_is_its_customers(program: str) -> None:
    body = INLINE[program]
    charset = "Content-Type: text/plain; charset=utf-8"
    (event,) = of(mail(charset, sender="ben@example.com", body=body))
    assert (event.customer, event.text, event.giver) == (
        "ito@example.org",
        "Thank you, Ana!",
        "ben@example.com",
    )
    assert dict(event.evidence) == {"sender": "passed", "forwarded": 1}


def test_a_forwarded_mail_has_the_name_that_it_has_by_itself() -> None:
    (direct,), (by_colleague,) = of(mail()), of(attached("ben@example.com"))
    assert direct.key == by_colleague.key
    assert by_colleague.agents == ("ana@example.com",)


@pytest.mark.parametrize(
    ("forwards", "to", "told"),
    [
        ("by_others", "thanks+ana@example.com", [(("ana@example.com",), "ben@example.com")]),
        ("by_others", "thanks@example.com", []),
        ("all", "thanks@example.com", [(("ben@example.com",), None)]),
        ("all", "thanks+ana@example.com", [(("ana@example.com",), None)]),
        ("ignored", "thanks+ana@example.com", []),
    ],
)
def test_whom_a_forwarded_mail_thanks_is_a_setting(forwards: str, to: str, told: list[Any]) -> None:
    events = of(mail(sender="ben@example.com", to=to, body=INLINE["gmail"]), forwards=forwards)
    assert [(event.agents, event.giver) for event in events] == told


@pytest.mark.parametrize(
    "body",
    [
        "Well done, Ana, from all of us!\n",
        INLINE["gmail"].replace("ito@example.org", "chris@example.com"),
        INLINE["gmail"].replace("ito@example.org", "chris@shop.example.com"),
        INLINE["gmail"].replace("ito@example.org", "no-reply@example.org"),
        INLINE["gmail"].replace("From: Ito <ito@example.org>\n", ""),
        INLINE["gmail"].replace("Thank you, Ana!\n", ""),
        "---------- Forwarded message ---------\nFrom: ito@example.org\nThank you!\n",
        "---------- Forwarded message ---------\n",
    ],
)
def test_colleagues_are_no_customers(body: str) -> None:
    assert of(mail(sender="ben@example.com", body=body)) == []


def test_an_answer_by_itself_that_was_forwarded_is_no_thanks() -> None:
    inner = mail("Auto-Submitted: auto-replied")
    outer = mail("Content-Type: message/rfc822", sender="ben@example.com", body=inner)
    assert of(outer) == []


# ---------------------------------------------------------------- who it is from

RESULTS = {
    "dmarc": ("mx.example.com; dmarc=pass header.from=example.org", True),
    "dmarc without what it is about": ("mx.example.com 1; dmarc=pass (p=none dis=none)", True),
    "dmarc of another domain": ("mx.example.com; dmarc=pass header.from=evil.example", False),
    "dmarc failed, dkim did not": ("mx.example.com; dkim=pass header.d=example.org; dmarc=fail", False),
    "dkim": ('MX.Example.com; dkim=pass header.d="example.org" header.s=a', True),
    "dkim by identity": ("mx.example.com; dkim=pass header.i=@mail.example.org", True),
    "dkim of a list": ("mx.example.com; dkim=pass header.d=lists.example", False),
    "the second dkim": (
        "mx.example.com; dkim=pass header.d=esp.example; dkim=pass header.d=example.org",
        True,
    ),
    "dkim of a look-alike": ("mx.example.com; dkim=pass header.d=notexample.org", False),
    "dkim of all of org": ("mx.example.com; dkim=pass header.d=org", False),
    "spf": ("mx.example.com; spf=pass smtp.mailfrom=bounce@mail.example.org", True),
    "spf of another": ("mx.example.com; spf=pass smtp.mailfrom=example.net", False),
    "spf of the greeting": ("mx.example.com; spf=pass smtp.helo=example.org", False),
    "in a comment": ("mx.example.com; spf=none (dmarc=pass; dkim=pass header.d=example.org)", False),
    "in a comment of a comment": (
        "mx.example.com; spf=none (a (b) ; dmarc=pass header.from=example.org)",
        False,
    ),
    "a comment that does not end": (
        "mx.example.com; spf=none (a ; dmarc=pass header.from=example.org",
        False,
    ),
    "nothing found": ("mx.example.com; none", False),
    "no results": ("mx.example.com", False),
    "of another server": ("mx.elsewhere.example; dmarc=pass header.from=example.org", False),
    "of a server with a longer name": (
        "mx.example.com.evil.example; dmarc=pass header.from=example.org",
        False,
    ),
    "no server": ("; dmarc=pass header.from=example.org", False),
    "with spaces and lines": ("mx.example.com;\r\n\tdmarc = pass\r\n header.from = example.org", True),
    "a method with a version": ("mx.example.com; dmarc/1=pass header.from=example.org", True),
}


@pytest.mark.parametrize("found", RESULTS)
def test_a_customers_mail_counts_when_our_own_server_says_who_it_is_from(found: str) -> None:
    said, counts = RESULTS[found]
    assert bool(of(mail(proof=f"Authentication-Results: {said}"))) == counts


def test_what_others_wrote_below_is_not_believed() -> None:
    ours, forged = "Authentication-Results: mx.example.com; {}", "dmarc=pass header.from=example.org"
    for lines in (
        ["Received: by mx.example.com", ours.format(forged)],  # below nothing of ours: it is the topmost
        [ours.format("spf=none"), ours.format(forged)],  # written by ours, one after the other
    ):
        assert of(mail(*lines, proof=""))
    for lines in (
        [ours.format("spf=none"), "Received: by mx.example.com", ours.format(forged)],
        [ours.format("dmarc=fail"), ours.format(forged)],
        [ours.format("dmarc=none"), ours.format(forged)],
    ):
        assert of(mail(*lines, proof="")) == []


def test_what_counts_without_results_is_a_setting_and_what_failed_never_counts() -> None:
    silent, failed = (
        mail(proof=""),
        mail(proof="Authentication-Results: mx.example.com; dkim=fail header.d=example.org"),
    )
    none = mail(proof="Authentication-Results: mx.example.com; spf=none; dkim=none")
    (event,) = of(silent, without_results="counted")
    assert event.evidence["sender"] == "unknown"
    assert of(none, without_results="counted")
    assert of(silent, without_results="counted", authserv_id="")
    assert of(silent) == of(none) == of(failed) == of(failed, without_results="counted") == []


def test_a_colleague_who_was_signed_in_is_who_they_say_and_nobody_else() -> None:
    proof = "Authentication-Results: mx.example.com; auth=pass smtp.auth=ben@example.com"
    assert of(mail(proof=proof, sender="ben@example.com", body=INLINE["gmail"]))
    assert of(mail(proof=proof)) == []


@pytest.mark.parametrize(
    "sender",
    [
        "ito@example.org, ana@example.com",
        "",
        "Ito",
        "ito@",
        "@example.org",
        "MAILER-DAEMON@example.org",
        "no-reply@example.org",
        "bounces+ana=example.com@example.org",
        "=?utf-8?q?ito=40example=2Eorg?= <>",
    ],
)
def test_a_mail_of_nobody_in_particular_is_no_thanks(sender: str) -> None:
    assert of(mail(sender=sender), without_results="counted", authserv_id="") == []
    assert of(mail("From: ana@example.org", sender="ito@example.org")) == []  # two of them


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; x=y",
        "Precedence: bulk",
        "Precedence: List",
        "List-Id: <news.example.org>",
        "List-Unsubscribe: <mailto:off@example.org>",
        "Return-Path: <>",
        "Return-Path: < >",
        "X-Autoreply: yes",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    ],
)
def test_what_machines_send_is_no_thanks(header: str) -> None:
    assert of(mail(header)) == []
    assert of(mail("Auto-Submitted: no", "Return-Path: <ito@example.org>", "Precedence: first-class"))


# ---------------------------------------------------------------- whom it thanks


@pytest.mark.parametrize(
    ("to", "agents"),
    [
        ("Thanks <THANKS+Ana@Example.com>, thanks+ben@example.com", ("ana@example.com", "ben@example.com")),
        ("thanks+ana=example.org@example.com", ("ana@example.org",)),
        ("thanks+o.neil-2@example.com", ("o.neil-2@example.com",)),
        ("thanks@example.com", ()),
        ("thanks+@example.com", ()),
        ("desk+ana@example.com", ()),
        ("thanks+ana@example.org", ()),
        ("thanks+a b@example.com", ()),
        ("thanks+<script>@example.com", ()),
        (
            ", ".join(f"thanks+n{number}@example.com" for number in range(40)),
            tuple(f"n{n}@example.com" for n in range(10)),
        ),
    ],
)
def test_who_stands_behind_the_plus(to: str, agents: tuple[str, ...]) -> None:
    assert [event.agents for event in of(mail(to=to))] == ([agents] if agents else [])


def test_the_plus_is_also_found_where_the_server_put_it() -> None:
    (event,) = of(
        mail(
            "Delivered-To: thanks+ana@example.com", "X-Original-To: thanks+ana@example.com", to="x@y.example"
        )
    )
    assert event.agents == ("ana@example.com",)


def test_a_mail_is_named_by_its_number_and_its_sender_else_by_what_it_holds() -> None:
    def key(**given: Any) -> str:
        return of(mail(**given))[0].key

    assert key() == key(
        body="Another text of the same mail, as a server changed it\n", to="thanks+ben@example.com"
    )
    assert key() != key(sender="weber@example.org")  # nobody takes a name away by using it first
    assert key(number=None) == key(number=None) != key(number=None, body="Other words\n")


# ---------------------------------------------------------------- the words

WORDS = {
    "an answer": (
        "Thank you!\n\nOn Fri, 20 Nov 2026 at 09:00, Desk <desk@example.com> wrote:\n> How was it?\n",
        "Thank you!",
    ),
    "in German": ("Danke!\n\nAm 20.11.2026 um 09:00 schrieb Desk:\n> Wie war es?\n", "Danke!"),
    "a signature": ("Thank you!\n-- \nIto\n+81 3 1234\n", "Thank you!"),
    "answers in between": (
        "> How was it?\nWonderful.\n> And Ana?\n\n\n\n\nShe too.\n",
        "Wonderful.\n\nShe too.",
    ),
    "a NUL": ("Thank\0 you\n", "Thank\ufffd you"),
    "only a quote": ("> How was it?\n", "Our luggage"),
    "nothing": ("\n", "Our luggage"),
    "long": ("Ō" * 3_000, "Ō" * 2_000),
}


@pytest.mark.parametrize("what", WORDS)
def test_of_a_mail_its_own_words_are_kept(what: str) -> None:
    body, text = WORDS[what]
    subject = "Subject: Re: AW: =?utf-8?q?Our_luggage?="
    assert texts(of(mail(subject, "Content-Type: text/plain; charset=utf-8", body=body))) == [text]


def test_a_mail_that_says_nothing_is_no_thanks() -> None:
    assert of(mail(body="\n")) == of(mail("Subject: =?x?q?=00?=", body="-- \nIto\n")) == []


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("iso-8859-15", "10 € für Änne".encode("iso-8859-15"), "10 € für Änne"),
        ("iso-2022-jp", "ありがとう".encode("iso-2022-jp"), "ありがとう"),
        ("windows-1251", "Спасибо".encode("windows-1251"), "Спасибо"),
        ("klingon", "Grüße".encode(), "Grüße"),
        ("idna", b"Gr\xfc\xdfe", "Gr\ufffd\ufffde"),
        ("utf-8", b"Gr\xfc\xdfe", "Gr\ufffd\ufffde"),
        ("utf-7", b"+2AA-x", None),
        ('utf-8"; x="', "Grüße".encode(), "Grüße"),
    ],
)
def test_every_character_set_is_read_or_shows_that_it_was_not(
    charset: str, body: bytes, text: str | None
) -> None:
    (event,) = of(mail(f"Content-Type: text/plain; charset={charset}", body=body))
    assert text is None or event.text == text


def test_a_mail_in_html_alone_is_read_as_its_words() -> None:
    body = "<style>p {}</style><p>Thank&nbsp;you, <b>Ana</b>!</p><blockquote>How was it?</blockquote><script>1</script>"
    assert texts(of(mail("Content-Type: text/html; charset=utf-8", body=body))) == ["Thank you, Ana!"]
    both = EmailMessage()
    both["From"], both["To"] = "ito@example.org", "thanks+ana@example.com"
    both.set_content("Plain thanks\n")
    both.add_alternative("<p>Fine thanks</p>", subtype="html")
    both.add_attachment("Attached words\n", filename="a.txt")
    assert texts(of(both.as_bytes(), without_results="counted", authserv_id="")) == ["Plain thanks"]


def test_of_a_giant_mail_only_the_beginning_is_fetched(desk: Desk) -> None:
    body = "--b\nContent-Type: text/plain\n\nThank you!\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n"
    desk.put(mail('Content-Type: multipart/mixed; boundary="b"', body=body + "iVBORw0KGgo=\n" * 80_000))
    assert texts(desk.pull(most_kilobytes=16)[0]) == ["Thank you!"]


def test_every_text_of_the_corpus_as_a_mails_words_ends_cleanly() -> None:
    for written in corpus.texts().values():
        body = written.encode("utf-8", "surrogatepass")
        for event in of(mail("Content-Type: text/plain; charset=utf-8", body=body)):
            assert len(event.text or "") <= 2_000


LINES = [
    *(
        b"From: ito@example.org",
        b"From: ben@example.com",
        b"To: thanks+ana@example.com",
        b"Date: x",
        b"",
        b"--b",
        b"--b--",
    ),
    *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822", b'Content-Type: ;="'),
    *(
        b"Content-Type: text/html; charset=utf-16",
        b"Content-Transfer-Encoding: base64",
        b"\xff\x00=FF<p",
        b"Message-ID: =?x?=",
    ),
    *(
        b"Content-Transfer-Encoding: quoted-printable",
        b"Subject: =?utf-8?b?////?=",
        b"> From: ito@example.org",
    ),
    *(b"---------- Forwarded message ---------", b"Authentication-Results: mx.example.com; dmarc=pass"),
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=30), max_size=30))
def test_any_bytes_end_cleanly(lines: list[bytes]) -> None:
    of(b"\r\n".join(lines), forwards="all")


# ---------------------------------------------------------------- a server that does not do as it should

GREETING = b"* OK ready\r\n"
CAN = GREETING, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n"
IN = *CAN, b"+ \r\n", b"TAG OK in\r\n"
FAULTS: dict[str, tuple[tuple[bytes, ...], type[Exception], str]] = {
    "no mail server": ((b"SSH-2.0-x\r\n",), TryLater, "does not greet"),
    "hangs up": ((b"",), TryLater, "does not greet"),
    "busy": ((b"* BYE too many\r\n",), TryLater, "does not greet"),
    "a line without an end": ((b"*" * 1_100_000,), Invalid, "without an end"),
    "lets nobody in now": (
        (*CAN, b"+ \r\n", b"TAG NO [UNAVAILABLE] later\r\n"),
        TryLater,
        "nobody in at the moment",
    ),
    "breaks off": (IN[:3], TryLater, "broke off"),
    "no numbering": ((*IN, b"* 1 EXISTS\r\nTAG OK done\r\n"), Invalid, "UIDVALIDITY"),
    "a giant answer": (
        (*IN, b"* OK [UIDVALIDITY 1] ok\r\nTAG OK done\r\n", b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n"),
        Invalid,
        "more than was asked for",
    ),
    "does not know what it is asked": (
        (*IN, b"* OK [UIDVALIDITY 1] ok\r\nTAG OK done\r\n", b"TAG BAD what?\r\n"),
        Invalid,
        "does not do what it is asked for",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_server_ends_the_pull_and_says_why(tmp_path: Path, fault: str) -> None:
    said, error, words = FAULTS[fault]
    with saying(tmp_path, *said) as (port, public):
        plugin = Mailbox(**SETTINGS, host=HERE, port=port, authorities=public)
        with outgoing.client({HERE}, {HERE}) as http, pytest.raises(error, match=words):
            list(plugin.pull(http, None))


SETTINGS: dict[str, Any] = {
    "user": "desk",
    "password": "p",
    "staff_domains": ["example.com"],
    "authserv_id": "mx.example.com",
    "address": "thanks@example.com",
}


def test_wrong_credentials_are_told_without_them(desk: Desk) -> None:
    with pytest.raises(Invalid, match="refuses our credentials") as caught:
        desk.pull(password="not-this-one")
    assert "not-this-one" not in str(caught.value)


@pytest.mark.promise(number=26)
def test_a_mail_server_inside_is_reached_only_where_the_config_allows_it(desk: Desk) -> None:
    for hosts, inside, words in (
        ({HERE}, set[str](), "inside the own network"),
        ({"imap.example.com"}, {HERE}, "not a host of this source"),
    ):
        with outgoing.client(hosts, inside) as http, pytest.raises(TryLater, match=words):
            list(desk.make().pull(http, None))


def test_a_certificate_that_is_not_believed_ends_the_pull(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="certificate that is not believed"):
        desk.pull(authorities=None)
    with pytest.raises(Invalid, match="is not there"):
        desk.pull(authorities=tmp_path / "missing.pem")
    with pytest.raises(TryLater, match="cannot be reached"):
        desk.pull(port=1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"authserv_id": ""}, "set authserv_id"),
        ({"address": None}, "nobody could be thanked"),
        ({"address": "thanks+ana@example.com"}, "without a plus"),
        ({"staff_domains": []}, "at least 1"),
        ({"staff_domains": ["@example.com"]}, "write a domain"),
        ({"host": "imap.example.com:993"}, "write a domain"),
        ({"keyword": "a b"}, "match"),
        ({"folders": ["a\r\nb"]}, "match"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Mailbox(**{**SETTINGS, "host": "imap.example.com", **wrong})


# ---------------------------------------------------------------- on the whole road


def test_thanks_by_mail_earn_once_and_nobody_earns_by_forwarding_to_themselves(
    desk: Desk, db: Database, company: Company, clock: Clock
) -> None:
    at = NOON - timedelta(hours=1)
    desk.put(mail(number="<1@example.org>"), came=at)
    desk.put(attached("Ana <ana@example.com>", number="<7@example.net>", sender="weber@example.net"), came=at)
    desk.put(attached("Ben <ben@example.com>", number="<8@example.edu>", sender="silva@example.edu"), came=at)
    config = Config(plugins={"mailbox": desk.make()}, pull_hosts=(HERE,))
    assert deliveries.pull(db, config, "mailbox", clock) == 3
    assert deliveries.pull(db, config, "mailbox", clock) == 0
    with db.reading() as session:
        assert standings.total(session, company["ana"], "2026-W47") == 16
    with pytest.raises(Refused):
        config.plugins["mailbox"].verify(Delivery(b"{}", {}, NOON))


def test_the_check_knocks_at_the_mail_server(desk: Desk, tmp_path: Path, clock: Clock) -> None:
    config = Config(plugins={"mailbox": desk.make()}, pull_hosts=(HERE,))
    said = [
        (one.state, one.words)
        for one in check(config, tmp_path / "none.toml", clock)
        if one.what == "mailbox"
    ]
    inside = Config(plugins={"mailbox": desk.make()})
    refused = [one.state for one in check(inside, tmp_path / "none.toml", clock) if one.what == "mailbox"]
    assert (said, refused) == ([("ok", f"{HERE} answers")], ["warning"])
