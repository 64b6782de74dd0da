"""The outbox and what it sends through: a real mail server, a real web server, a courier process."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import select

from leaderboard import announcements, jobs
from leaderboard.announcements import NotSent
from leaderboard.config import Announce, Config, Mail
from leaderboard.database import Database
from leaderboard.plugin import Invalid
from leaderboard.tables import Announcement, Channel, ClosedWeek, Heartbeat
from tests import failpoints, make, workers
from tests.conftest import Mailbox
from tests.make import NOON

SECRET = "k7Qcanary9wZ"


@dataclass
class Service:
    """A chat service that answers by the path it is asked for, and keeps what it was told."""

    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hang: threading.Event = field(default_factory=threading.Event)

    def address(self, path: str) -> str:
        return f"json://127.0.0.1:{self.port}/{path}"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.paths.append(self.path)
            made.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if "hang" in self.path:
                made.hang.wait(30)
            status = next((int(part) for part in self.path.split("/") if part.isdigit()), 200)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"http://127.0.0.1:{made.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    made.hang.set()
    server.shutdown()
    server.server_close()


def settings(**announce: Any) -> Config:
    """Announcing to our own machine is allowed, by the json service of the test."""
    defaults = {"schemas": ("json",), "hosts": ("127.0.0.1",), "timeout": 2}
    return Config(announce=Announce(**(defaults | announce)))


def with_mail(mailbox: Mailbox, **mail: Any) -> Config:
    defaults = {
        "server": mailbox.host,
        "port": mailbox.port,
        "security": "none",
        "sender": "em@example.com",
        "timeout": 2,
    }
    return Config(
        mail=Mail(**(defaults | mail)),
        announce=Announce(schemas=("json",), hosts=("127.0.0.1",), timeout=2),
    )


# ---------------------------------------------------------------- mail


def test_a_mail_arrives_as_plain_text_with_a_clean_subject(smtp: Mailbox) -> None:
    announcements.send_mail(with_mail(smtp), ["ana@example.com", "ben@example.com"], "Wünsche", "Grüße,\nLea")
    (message,) = smtp.messages
    assert message["Subject"] == "Wünsche"
    assert message["From"] == "em@example.com"
    assert smtp.recipients == [["ana@example.com", "ben@example.com"]]
    assert message.get_payload(decode=True) == "Grüße,\r\nLea\r\n".encode()


@pytest.mark.parametrize(
    "subject",
    [
        "Hello\r\nBcc: all@example.com",
        "=?utf-8?q?Hello=0D=0ABcc:_all=40example.com?=",
        "=?utf-8?b?SGVsbG8NCkJjYzogYWxsQGV4YW1wbGUuY29t?=",
        "Hello\u2028Bcc: all@example.com",
        "Hello\x00\x1b[31m",
        "=?nonsense?q?=FF?= Hello",
    ],
)
def test_no_subject_makes_a_header_of_its_own(smtp: Mailbox, subject: str) -> None:
    announcements.send_mail(with_mail(smtp), "ana@example.com", subject, "text")
    (message,) = smtp.messages
    assert message["Bcc"] is None
    assert "Hello" in message["Subject"]
    assert message["Subject"].isprintable()
    assert smtp.recipients == [["ana@example.com"]]


def test_without_a_mail_server_a_mail_fails_at_once_and_says_which_setting(smtp: Mailbox) -> None:
    with pytest.raises(NotSent, match=r"\[mail\] server") as caught:
        announcements.send_mail(Config(), "ana@example.com", "Hi", "text")
    assert caught.value.lasting


@pytest.mark.parametrize(
    ("answer", "lasting"), [("421 Come back later", False), ("451 Local error", False), ("554 No spam", True)]
)
def test_what_a_mail_server_refuses_was_not_sent(smtp: Mailbox, answer: str, lasting: bool) -> None:
    smtp.answer = answer
    with pytest.raises(NotSent, match=answer[:3]) as caught:
        announcements.send_mail(with_mail(smtp), "ana@example.com", "Hi", "text")
    assert (caught.value.lasting, caught.value.unsure) == (lasting, False)


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where somebody answers by hand."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            try:
                caller, _ = door.accept()
            except OSError:
                return
            with caller:
                talk(caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(10)


def test_a_mail_server_that_never_greets_is_tried_again() -> None:
    done = threading.Event()
    with listening(lambda _caller: done.wait(10) and None) as port:
        mail = Mail(server="127.0.0.1", port=port, security="none", timeout=1)
        with pytest.raises(NotSent) as caught:
            announcements.send_mail(Config(mail=mail), "ana@example.com", "Hi", "text")
        done.set()
    assert (caught.value.lasting, caught.value.unsure) == (False, False)


def test_a_mail_server_that_falls_silent_after_the_message_leaves_it_unsure() -> None:
    def talk(caller: socket.socket) -> None:
        caller.sendall(b"220 hello\r\n")
        lines = caller.makefile("rb")
        for line in lines:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                caller.sendall(b"354 go on\r\n")
                for part in lines:
                    if part == b".\r\n":
                        return  # taken, or not: nobody will say
            else:
                caller.sendall(b"250 ok\r\n")

    with listening(talk) as port:
        mail = Mail(server="127.0.0.1", port=port, security="none", timeout=2)
        with pytest.raises(NotSent) as caught:
            announcements.send_mail(Config(mail=mail), "ana@example.com", "Hi", "text")
    assert caught.value.unsure


def test_a_refused_sign_in_says_so_without_the_password(smtp: Mailbox) -> None:
    with pytest.raises(NotSent) as caught:
        announcements.send_mail(
            with_mail(smtp, username="em", password=SecretStr(SECRET)), "ana@example.com", "Hi", "text"
        )
    assert SECRET not in repr(caught.value)


# ---------------------------------------------------------------- chat services


def test_a_chat_service_gets_the_text_as_it_is(service: Service) -> None:
    announcements.send(
        settings(), "apprise", service.address("room"), "Care, week 47", "Ana & Ben\n*not bold*"
    )
    (body,) = service.bodies
    assert (body["title"], body["message"]) == ("Care, week 47", "Ana & Ben\n*not bold*")


def test_a_text_that_is_too_long_for_the_service_comes_in_parts(service: Service) -> None:
    words = [f"word{number}" for number in range(5000)]
    announcements.send(settings(), "apprise", service.address("room"), "Care, week 47", " ".join(words))
    assert len(service.bodies) == 2
    assert " ".join(body["message"] for body in service.bodies).split() == words


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("@channel", "@\u200bchannel"),
        ("<!here> <@U1>", "‹!here› ‹@\u200bU1›"),
        ("[free](https://evil.example)", "[free]\u200b(https://evil.example)"),
        ("[1]: https://evil.example", "[1]\u200b: https://evil.example"),
        ("abc\u202edef\x00\x1b[31m\ud800", "abcdef[31m"),
        ("👩\u200d💻 stays\n\tso", "👩\u200d💻 stays\n\tso"),
    ],
)
def test_text_stays_text(text: str, plain: str) -> None:
    assert announcements.plain(text) == plain


@pytest.mark.parametrize(
    ("path", "lasting", "unsure"),
    [
        ("404", True, False),
        ("429", False, False),
        ("500", False, False),
        ("302", True, False),
        ("hang", False, True),
    ],
)
def test_what_a_service_answers_decides_what_happens_next(
    service: Service, path: str, lasting: bool, unsure: bool
) -> None:
    with pytest.raises(NotSent) as caught:
        announcements.send(settings(timeout=1), "apprise", service.address(f"{SECRET}/{path}"), "Hi", "text")
    assert (caught.value.lasting, caught.value.unsure) == (lasting, unsure)
    assert SECRET not in str(caught.value)
    assert service.paths == [f"/{SECRET}/{path}"]  # asked once, and never at the address of a redirect


def test_a_service_that_is_not_there_is_tried_again(free_port: int) -> None:
    with pytest.raises(NotSent, match="not be reached") as caught:
        announcements.send(settings(), "apprise", f"json://127.0.0.1:{free_port}/x", "Hi", "text")
    assert (caught.value.lasting, caught.value.unsure) == (False, False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"]
)
def test_nothing_inside_is_called_unless_the_operator_allowed_the_host(service: Service, host: str) -> None:
    with pytest.raises(NotSent) as caught:
        announcements.send(settings(hosts=()), "apprise", f"json://{host}:{service.port}/x", "Hi", "text")
    assert service.paths == []
    assert not caught.value.unsure


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("file:///etc/passwd", "know"),
        ("slack://TAAAAAAAA/BBBBBBBBB/abcdefghijklmnopqrstuvwx", "list of allowed"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "list of allowed"),
        ("json://example.com/?redirect=yes", "redirect"),
        ("json://example.com/?verify=no", "verify"),
        ("json://example.com/?+X-Header=1", "X-Header"),
        ("json://169.254.169.254/latest", "inside"),
        ("json://10.1.2.3/hook", "inside"),
        ("nonsense", "webhook address"),
        ("json://example.com/\nBcc", "webhook address"),
        ("", "webhook address"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused_with_the_reason(address: str, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        announcements.check_target(settings(hosts=()), "apprise", address)


def test_the_services_own_webhook_address_is_taken_where_the_service_is_allowed() -> None:
    address = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert announcements.check_target(Config(), "apprise", address) == address
    assert (
        announcements.shown(Channel(team_id=1, kind="apprise", name="Slack", target=address))
        == "hooks.slack.com"
    )


@pytest.mark.parametrize(
    "target", ["", "ana", "ana@example.com\nBcc: x@example.com b@", "a@b.c, <x@y.z>", "é@example.com"]
)
def test_what_is_no_list_of_addresses_is_refused(target: str) -> None:
    with pytest.raises(Invalid):
        announcements.check_target(Config(), "email", target)


# ---------------------------------------------------------------- the outbox


@pytest.fixture
def week(db: Database, company: make.Company) -> int:
    with db.writing() as session:
        row = ClosedWeek(
            team_id=company.teams["Care"],
            week="2026-W47",
            closed_at=NOON,
            last_event_id=0,
            last_entry_id=0,
            numbers={},
        )
        session.add(row)
        session.flush()
        return row.id or 0


def queued(db: Database, company: make.Company, week: int, *targets: str, kind: str = "apprise") -> None:
    """One waiting announcement for each of these addresses."""
    with db.writing() as session:
        for number, target in enumerate(targets):
            session.add(
                Channel(team_id=company.teams["Care"], kind=kind, name=f"Channel {number}", target=target)
            )
        session.flush()
        announcements.queue(session, week, company.teams["Care"], "Care, week 47", "Well done", NOON)


def rows(db: Database) -> list[Announcement]:
    with db.reading() as session:
        return list(session.exec(select(Announcement).order_by(Announcement.id)))  # type: ignore[arg-type]


def test_each_channel_gets_the_message_once(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, service.address("one"), service.address("two"))
    with db.writing() as session:
        assert announcements.queue(session, week, company.teams["Care"], "Again", "Again", NOON) == 0
    assert announcements.deliver_due(db, settings(), clock) == 2
    assert announcements.deliver_due(db, settings(), clock) == 0
    assert sorted(service.paths) == ["/one", "/two"]
    assert [(row.state, row.sent_at, row.attempts) for row in rows(db)] == [("sent", NOON, 1)] * 2


def test_a_dead_channel_delays_no_other_and_is_tried_again_later_and_later(
    db: Database, company: make.Company, week: int, service: Service, smtp: Mailbox, clock: make.Clock
) -> None:
    queued(db, company, week, "ana@example.com", kind="email")
    queued(db, company, week, service.address("good"))
    smtp.answer = "451 Local error"
    config = with_mail(smtp)
    announcements.deliver_due(db, config, clock)
    dead, good = rows(db)
    assert (good.state, dead.state, dead.error) == ("sent", "waiting", "the mail server answered 451")
    waits = []
    while dead.state == "waiting":
        waits.append(dead.next_try_at - clock())
        clock.at(dead.next_try_at - timedelta(seconds=1))
        assert announcements.deliver_due(db, config, clock) == 0
        clock.forward(seconds=1)
        announcements.deliver_due(db, config, clock)
        dead = rows(db)[0]
    assert waits == sorted(waits)
    assert (dead.state, dead.attempts, len(waits)) == ("failed", 9, 8)
    assert service.paths.count("/good") == 1


@pytest.mark.promise(number=22)
def test_no_dead_channel_delays_another_or_tells_its_secret(
    db: Database,
    company: make.Company,
    week: int,
    service: Service,
    smtp: Mailbox,
    clock: make.Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """P22: one hangs, one answers 500, one sends us elsewhere, one is not there, and the mail server says 421."""
    config = with_mail(smtp).model_copy(update={"announce": settings(timeout=60).announce})
    smtp.answer = f"421 {SECRET} come back later"
    addresses = [service.address(f"{path}/{SECRET}") for path in ("hang/500", "500", "302", "good")]
    queued(db, company, week, *addresses, f"json://{SECRET}@127.0.0.1:1/{SECRET}")
    queued(db, company, week, "ana@example.com", kind="email")
    job = next(job for job in jobs.JOBS if job.name == "announce")
    with caplog.at_level("DEBUG", "leaderboard"):
        tick = threading.Thread(target=jobs.tick, args=(job, db, config, clock))
        tick.start()
        patience = time.monotonic() + 30
        while time.monotonic() < patience and any(
            not row.attempts or row.state == "sending" for row in rows(db)[1:]
        ):
            time.sleep(0.05)
        while_it_hung = [row.state for row in rows(db)]
        service.hang.set()
        tick.join()
    assert while_it_hung == ["sending", "waiting", "failed", "sent", "waiting", "waiting"]
    assert [(row.state, row.error) for row in rows(db)] == [
        ("waiting", "the service answered 500"),
        ("waiting", "the service answered 500"),
        ("failed", "the service answered 302"),
        ("sent", None),
        ("waiting", "the service could not be reached"),
        ("waiting", "the mail server answered 421"),
    ]
    assert {row.next_try_at - clock() for row in rows(db) if row.state == "waiting"} == {timedelta(minutes=1)}
    with db.reading() as session:
        assert session.get_one(Heartbeat, "announce").error is None
    assert "the service answered 302" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.promise(number=19)
@pytest.mark.parametrize(
    ("failpoint", "taken"), [("sending: after the lease", 0), ("sending: before the mark", 1)]
)
def test_a_sender_killed_inside_the_send_leaves_it_unsure_and_nothing_goes_twice_by_itself(
    db: Database,
    database_url: str,
    company: make.Company,
    week: int,
    service: Service,
    failpoint: str,
    taken: int,
) -> None:
    """P19: whether the service has the message or not, only a person sends it again."""
    queued(db, company, week, service.address("room"))
    doomed = workers.start(failpoints.send, database_url, settings(), failpoint)
    doomed.join(30)
    assert (doomed.exitcode, len(service.bodies)) == (-signal.SIGKILL, taken)
    assert announcements.deliver_due(db, settings(), lambda: NOON + timedelta(minutes=19)) == 0
    later = NOON + timedelta(minutes=20)
    assert announcements.deliver_due(db, settings(), lambda: later) == 0
    (row,) = rows(db)
    assert (row.state, row.error) == ("unsure", "the sender stopped while it was sending")
    with db.writing() as session:
        announcements.send_again(session, row.id or 0, later)
    assert announcements.deliver_due(db, settings(), lambda: later) == 1
    assert (rows(db)[0].state, len(service.bodies)) == ("sent", taken + 1)


@pytest.mark.promise(number=21)
def test_a_clock_that_was_put_back_keeps_no_message_waiting(
    db: Database, company: make.Company, week: int, service: Service
) -> None:
    """P21: written while the clock was a year ahead, one waits for a year, and another's lease would last as long."""
    ahead = NOON + timedelta(days=365)
    queued(db, company, week, service.address("one"), service.address("two"))
    with db.writing() as session:
        (leased,) = announcements.lease(session, ahead, limit=1)
        waits = next(row for row in session.exec(select(Announcement)) if row.id != leased.id)
        waits.next_try_at = ahead
    assert announcements.deliver_due(db, settings(), lambda: NOON) == 1
    assert sorted(row.state for row in rows(db)) == ["sent", "unsure"]


def test_two_senders_at_once_send_once(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, *(service.address(f"room{number}") for number in range(4)))
    threads = [
        threading.Thread(target=announcements.deliver_due, args=(db, settings(), clock)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(service.paths) == [f"/room{number}" for number in range(4)]
    assert {row.state for row in rows(db)} == {"sent"}


def test_what_was_being_sent_when_its_sender_died_is_unsure_and_a_person_decides(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, service.address("room"))
    with db.writing() as session:  # a sender takes it, and is never heard of again
        (parcel,) = announcements.lease(session, clock())
    clock.forward(minutes=19)
    assert announcements.deliver_due(db, settings(), clock) == 0
    assert rows(db)[0].state == "sending"
    clock.forward(minutes=1)
    announcements.deliver_due(db, settings(), clock)
    assert rows(db)[0].state == "unsure"
    assert service.paths == []
    with db.writing() as session:
        announcements.send_again(session, parcel.id, clock())
    announcements.deliver_due(db, settings(), clock)
    assert (rows(db)[0].state, service.paths) == ("sent", ["/room"])


def test_an_unsure_one_that_arrived_is_sent_no_more(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, service.address("hang"))
    announcements.deliver_due(db, settings(timeout=1), clock)
    row = rows(db)[0]
    assert (row.state, row.error) == ("unsure", "the service took the message and did not answer")
    with db.writing() as session:
        announcements.it_arrived(session, row.id or 0, clock())
        with pytest.raises(Invalid, match="changed meanwhile"):
            announcements.it_arrived(session, row.id or 0, clock())
    assert announcements.deliver_due(db, settings(), clock) == 0
    assert rows(db)[0].state == "sent"


def test_a_sender_thought_dead_that_comes_back_tells_the_truth(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, service.address("room"))
    with db.writing() as session:
        (parcel,) = announcements.lease(session, clock())
    clock.forward(hours=1)
    announcements.deliver_due(db, settings(), clock)
    assert rows(db)[0].state == "unsure"
    with db.writing() as session:
        announcements.mark(session, parcel, None, clock())
    assert rows(db)[0].state == "sent"


def test_a_removed_channel_gets_nothing_and_its_secret_is_gone(
    db: Database, company: make.Company, week: int, service: Service, clock: make.Clock
) -> None:
    queued(db, company, week, service.address(SECRET))
    with db.writing() as session:
        (channel,) = announcements.channels(session, company.teams["Care"])
        with pytest.raises(Invalid, match="no such channel"):
            announcements.remove_channel(session, company.teams["Shop"], channel.id or 0)
        announcements.remove_channel(session, company.teams["Care"], channel.id or 0)
    announcements.deliver_due(db, settings(), clock)
    assert service.paths == []
    assert (rows(db)[0].state, rows(db)[0].error) == ("failed", "the channel was removed")
    with db.reading() as session:
        assert session.exec(select(Channel.target)).all() == [""]


def test_a_mail_channel_goes_to_all_its_addresses(
    db: Database, company: make.Company, week: int, smtp: Mailbox, clock: make.Clock
) -> None:
    queued(db, company, week, "ana@example.com, ben@example.com", kind="email")
    announcements.deliver_due(db, with_mail(smtp), clock)
    assert smtp.recipients == [["ana@example.com", "ben@example.com"]]
    assert "Well done" in str(smtp.messages[0].get_payload())


def test_a_421_is_tried_again_and_arrives(
    db: Database, company: make.Company, week: int, smtp: Mailbox, clock: make.Clock
) -> None:
    queued(db, company, week, "ana@example.com", kind="email")
    smtp.answer = "421 Come back later"
    announcements.deliver_due(db, with_mail(smtp), clock)
    assert rows(db)[0].error == "the mail server answered 421"
    smtp.answer = None
    clock.forward(minutes=1)
    announcements.deliver_due(db, with_mail(smtp), clock)
    assert (rows(db)[0].state, len(smtp.messages)) == ("sent", 1)
    assert rows(db)[0].sent_at == datetime(2026, 11, 18, 12, 1, tzinfo=UTC)
