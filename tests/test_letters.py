"""Letters: what people wished to hear by mail, through a real mail server."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message

import pytest
from sqlmodel import select

from leaderboard import jobs
from leaderboard.announcements import letters
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.tables import Letter, Person
from tests.conftest import CONFIG as TEXT
from tests.conftest import Mailbox
from tests.make import Clock, Company
from tests.test_announcements import with_mail
from tests.visitor import Visitor
from tests.web.test_notices import accepted, sentences

Client = Callable[[str], Visitor]


@pytest.fixture
def config(smtp: Mailbox) -> Config:
    """The tests' settings, with a mail server."""
    from leaderboard import config as configuration

    return configuration.read(TEXT).model_copy(update={"mail": with_mail(smtp).mail})


def text_of(message: Message) -> str:
    part = message.get_body(("plain",))  # type: ignore[attr-defined]
    return str(part.get_content()).replace("\r\n", "\n")


def states(db: Database) -> list[tuple[str, int]]:
    with db.reading() as session:
        return [(row.state, row.attempts) for row in session.exec(select(Letter).order_by(Letter.id))]  # type: ignore[arg-type]


def change(db: Database, company: Company, handle: str, **values: object) -> None:
    with db.writing() as session:
        person = session.get_one(Person, company[handle])
        for name, value in values.items():
            setattr(person, name, value)


def wish(client: Visitor, **ways: str) -> None:
    page = client.get("/me/notices").text
    chosen = dict(re.findall(r'<select[^>]* name="(\w+)".*?<option selected value="(\w+)"', page, re.DOTALL))
    assert client.submit("/me/notices", chosen | ways).status_code == 303


def test_a_story_about_somebody_comes_by_mail_at_once_and_once(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    page = accepted(client_of)
    clock.forward(seconds=60)
    for _again in range(3):
        letters.deliver_letters(db, config, clock)
    (message,) = smtp.messages
    assert smtp.recipients == [["ben@example.com"]]
    assert message["Subject"] == "Extra Mile: Ana told a story about you"
    assert states(db) == [("sent", 1)]
    text = text_of(message)
    assert text.startswith("Hello Ben,\n\nAna told a story about you\n“They ")
    link = re.search(r"http://localhost(/notices/\d+)\n", text)
    assert link is not None
    assert client_of("ben").get(link[1]).location == page
    shown = message.get_body(("html",)).get_content()  # type: ignore[attr-defined]
    assert "Ana told a story about you</a>" in shown
    assert "<img" not in shown


def test_what_was_read_or_taken_back_before_the_letter_went_is_not_in_it(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    smtp.answer = "451 later"
    page = accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    assert states(db) == [("waiting", 1)]
    client_of("ben").submit(f"{page}/hide")
    smtp.answer = None
    clock.forward(minutes=2)
    letters.deliver_letters(db, config, clock)
    assert states(db) == [("empty", 2)]
    accepted(client_of)
    clock.forward(seconds=60)
    client_of("ben").submit("/notices/read", {"until": "999999999"})
    letters.deliver_letters(db, config, clock)
    assert smtp.messages == []


def test_a_judgement_undone_within_the_minute_is_never_mailed(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    page = accepted(client_of)
    clock.forward(seconds=59)
    letters.deliver_letters(db, config, clock)
    client_of("lea").submit(f"/lead{page}", {"do": "undo"})
    clock.forward(seconds=2)
    letters.deliver_letters(db, config, clock)
    assert smtp.messages == []
    client_of("lea").submit(f"/lead{page}", {"do": "accept"})
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    (message,) = smtp.messages
    assert "Ana told a story about you" in message["Subject"]


def test_a_letter_is_tried_again_until_the_server_takes_it(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    smtp.answer = "451 later"
    letters.deliver_letters(db, config, clock)
    letters.deliver_letters(db, config, clock)
    assert states(db) == [("waiting", 1)]
    smtp.answer = None
    clock.forward(minutes=1)
    letters.deliver_letters(db, config, clock)
    assert states(db) == [("sent", 2)]
    assert len(smtp.messages) == 1


def test_a_letter_whose_sender_died_is_not_sent_twice(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    with db.writing() as session:
        letters.gather(session, config, clock())
        assert len(letters.lease(session, clock())) == 1
        assert letters.lease(session, clock()) == []
    clock.forward(minutes=30)
    letters.deliver_letters(db, config, clock)
    assert states(db) == [("unsure", 1)]
    assert smtp.messages == []


def test_the_daily_letter_goes_out_at_eight_by_the_persons_clock_with_all_there_is(
    db: Database, client_of: Client, company: Company, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    change(db, company, "ben", timezone="Asia/Tokyo")
    ben = client_of("ben")
    wish(ben, story="daily", cosign="daily")
    page = accepted(client_of)
    client_of("chris").submit(f"{page}/co-sign")
    letters.deliver_letters(db, config, clock)
    assert smtp.messages == []
    clock.at(datetime(2026, 11, 18, 22, 59, tzinfo=UTC))  # 07:59 in Tokyo
    letters.deliver_letters(db, config, clock)
    assert smtp.messages == []
    clock.forward(minutes=1)
    letters.deliver_letters(db, config, clock)
    (message,) = smtp.messages
    assert message["Subject"] == "Extra Mile: 2 things that are about you"
    assert "Chris saw it too: the story that Ana told about you" in text_of(message)
    assert "Ana told a story about you" in text_of(message)


def test_a_letter_speaks_the_language_of_its_person(
    db: Database, client_of: Client, company: Company, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    change(db, company, "ben", locale="de")
    accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    (message,) = smtp.messages
    assert message["Subject"] == "Extra Mile: Ana hat eine Geschichte über dich erzählt"
    assert "Hallo Ben," in text_of(message)


def test_one_click_ends_the_mails_and_nothing_else(
    db: Database, client_of: Client, visitor: Visitor, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    (message,) = smtp.messages
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = re.fullmatch(r"<http://localhost(/notices/mail/\S+)>", message["List-Unsubscribe"])
    assert address is not None
    page = visitor.get(address[1])
    assert "End these mails?" in page.text
    assert page.status_code == 200
    # A mail program posts it by itself: without a session and without a form's token.
    answer = visitor.post(address[1], data={"List-Unsubscribe": "One-Click"})
    assert "No more of these mails" in answer.text
    assert visitor.post(address[1]).status_code == 200, "twice is once"
    accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    assert len(smtp.messages) == 1
    assert len(sentences(client_of("ben"))) == 2, "the page goes on"
    assert visitor.post(address[1] + "x").status_code == 400
    assert "This link is not whole" in visitor.get("/notices/mail/made-up").text


def test_without_a_mail_server_nothing_piles_up_for_the_day_when_there_is_one(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, Config(), clock)
    letters.deliver_letters(db, config, clock)
    assert states(db) == []
    accepted(client_of)
    clock.forward(days=3)
    letters.deliver_letters(db, config, clock)
    assert smtp.messages == []


def test_a_leaver_gets_no_letter(
    db: Database, client_of: Client, company: Company, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    change(db, company, "ben", active=False)
    letters.deliver_letters(db, config, clock)
    assert (states(db), smtp.messages) == ([("empty", 1)], [])


def test_letters_are_forgotten_with_what_they_told(
    db: Database, client_of: Client, clock: Clock, config: Config, smtp: Mailbox
) -> None:
    accepted(client_of)
    clock.forward(seconds=60)
    letters.deliver_letters(db, config, clock)
    client_of("ben").submit("/notices/read", {"until": "999999999"})
    clock.forward(days=91)
    jobs.forget(db, config, clock)
    jobs.tell_notices(db, config, clock)
    jobs.forget(db, config, clock)
    assert states(db) == []
