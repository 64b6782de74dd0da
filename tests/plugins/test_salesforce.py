"""What is particular to Salesforce Service Cloud."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries, simulate, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused
from leaderboard.tables import Identity, Promise
from tests.make import NOON, Clock, Company
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_f import salesforce
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_f import ANA, BEN, QUESTION, WORDS, SalesforceTool, sf_id, sf_time

HOUR = timedelta(hours=1)
MINE, BENS = sf_id(ANA, "005"), sf_id(BEN, "005")
Desk = tuple[SalesforceTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with SalesforceTool().running() as tool:
        assert isinstance(tool, SalesforceTool)
        yield tool, salesforce(tool)


def only(desk: Desk, http: httpx.Client, **settings: Any) -> Event:
    (event,) = desk[1].events(http, **settings)[0]
    return event


# ---------------------------------------------------------------- whose it is


@pytest.mark.parametrize(
    ("left", "agents"), [((NOW - HOUR, BENS), (BENS,)), ((NOW - 3 * HOUR, BENS), (MINE,)), (None, (MINE,))]
)
def test_a_rating_is_whose_the_case_was_when_it_came(
    desk: Desk, http: httpx.Client, left: tuple[Any, str] | None, agents: tuple[str, ...]
) -> None:
    tool, _ = desk
    tool.thank(1, NOW - 2 * HOUR)
    if left:
        tool.change(
            8, sf_id(1, "500"), "Owner", "Ben Brandt", "Ana Alvarez", left[0]
        )  # each change is there twice
        tool.change(9, sf_id(1, "500"), "Owner", left[1], MINE, left[0])
    assert only(desk, http).agents == agents


def test_what_happens_to_a_case_in_a_queue_is_nobodys(desk: Desk, http: httpx.Client) -> None:
    desk[0].thank(1, NOW - HOUR)
    desk[0].tables["Case"][0]["OwnerId"] = sf_id(1, "00G")
    assert only(desk, http).agents == ()


@pytest.mark.parametrize(("by", "giver"), [(MINE, MINE), (BENS, None)])
def test_who_enters_the_own_rating_gives_it_to_themselves(
    desk: Desk, http: httpx.Client, by: str, giver: str | None
) -> None:
    desk[0].thank(1, NOW - HOUR, CreatedById=by)
    assert only(desk, http).giver == giver


def test_a_colleagues_private_words_are_help_those_of_a_portals_user_nothing(
    desk: Desk, http: httpx.Client
) -> None:
    tool, pulled = desk
    case = tool.open(1)
    tool.put("User", sf_id(50, "005"), NOW, UserType="CspLitePortal", IsActive=True)
    for number, (author, published) in enumerate(
        [(BENS, False), (BENS, True), (MINE, False), (sf_id(50, "005"), True), (sf_id(50, "005"), False)]
    ):
        by = {"ParentId": case, "CreatedById": author, "IsPublished": published, "CommentBody": "Secret"}
        tool.put("CaseComment", sf_id(number), NOW - HOUR, **by)
    tool.put("CaseFeed", sf_id(9), NOW - HOUR, ParentId=case, CreatedById=BENS, Type="TextPost")
    tool.put("CaseFeed", sf_id(10), NOW - HOUR, ParentId=case, CreatedById=BENS, Type="ChangeStatusPost")
    events = pulled.events(http)[0]
    assert [(event.kind, event.agents, event.giver) for event in events] == [
        ("help.given", (BENS,), MINE),
        ("ticket.replied", (BENS,), None),
        ("help.given", (BENS,), MINE),
    ]
    assert not any("CommentBody" in asked.query.get("q", "") for asked in tool.asked)
    assert len(pulled.events(http, read_posts=False)[0]) == 2


def test_a_mail_about_something_else_and_a_draft_are_no_answers(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    mail = {"CreatedById": BENS, "Incoming": False, "Status": "3", "ParentId": tool.open(1)}
    for number, more in enumerate(({}, {"ParentId": None}, {"Status": "5"}, {"Incoming": True})):
        tool.put("EmailMessage", sf_id(number), NOW - HOUR, **{**mail, **more})
    assert [event.key for event in pulled.events(http)[0]] == [f"mails/{sf_id(0)}"]


# ---------------------------------------------------------------- ratings, promises, articles


@pytest.mark.parametrize(
    ("value", "words", "kind"),
    [
        ("5", "Thank you", "thanks.received"),
        (5, "", "rating.good"),
        (4.0, "", "rating.good"),
        ("1", "Nobody rang.", "rating.bad"),
    ],
)
def test_the_settings_say_what_a_rating_means(
    desk: Desk, http: httpx.Client, value: Any, words: str, kind: str
) -> None:
    desk[0].thank(1, NOW - HOUR, value, words)
    event = only(desk, http)
    assert (event.kind, event.text, event.customer) == (kind, words or None, sf_id(901, "003"))
    assert desk[1].events(http, good_ratings=("Great",), bad_ratings=("Poor",))[0] == []


def test_an_earlier_rating_is_not_given_the_words_of_a_later_one(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    tool.thank(2, NOW - HOUR)
    tool.change(1, sf_id(2, "500"), "CSAT__c", None, "1", NOW - 2 * HOUR)
    assert [(event.kind, event.text) for event in pulled.events(http)[0]] == [
        ("rating.bad", None),
        ("thanks.received", "Thank you"),
    ]


def test_an_answered_survey_is_the_cases_rating(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    case, response, invitation = tool.open(1), sf_id(2), sf_id(3)
    answer = {"ResponseId": response, "InvitationId": invitation, "ChoiceValue": None}
    tool.put("SurveyQuestionResponse", sf_id(4), NOW - HOUR, QuestionId=QUESTION, NumberValue=5, **answer)
    said = {"NumberValue": None, "ResponseShortText": "She found it!"}
    tool.put("SurveyQuestionResponse", sf_id(5), NOW - HOUR, QuestionId=WORDS, **answer, **said)
    for number, subject in ((6, sf_id(7, "003")), (8, case)):
        tool.put("SurveySubject", sf_id(number), NOW - HOUR, ParentId=invitation, SubjectId=subject)
    asked = {"rating_field": None, "rating_question": QUESTION, "words_question": WORDS}
    event = only(desk, http, **asked)
    assert (event.key, event.text, event.agents) == (f"rating/{response}/thanks", "She found it!", (MINE,))
    assert (event.object, event.ticket) == (f"rating/{case}", case)
    assert only(desk, http, **{**asked, "words_question": None}).kind == "rating.good"
    tool.tables["SurveySubject"].clear()  # sent without a case: nobody knows whose it is
    assert pulled.events(http, **asked)[0] == []


def test_a_milestone_is_a_promise_of_the_owner(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    case = tool.open(1)
    tool.step(2, case, NOW - 3 * HOUR, due=NOW, done=NOW - HOUR)
    tool.step(3, case, NOW - 3 * HOUR, due=NOW + HOUR, done=None)
    made, kept, waits = pulled.events(http)[0]
    assert (made.kind, made.due_at, made.text) == ("promise.made", NOW, "First response")
    assert (kept.kind, kept.object, kept.occurred_at) == ("promise.kept", made.object, NOW - HOUR)
    assert (waits.kind, waits.due_at) == ("promise.made", NOW + HOUR)
    assert pulled.events(http, milestones=False)[0] == []


def test_only_articles_that_are_published_for_the_first_time_are_knowledge_shared(
    desk: Desk, http: httpx.Client
) -> None:
    tool, _ = desk
    tool.publish(1, NOW - HOUR)
    tool.publish(2, NOW - HOUR, PublishStatus="Draft")
    tool.publish(3, NOW - HOUR, IsMasterLanguage=False)
    tool.publish(4, NOW - HOUR, FirstPublishedDate=sf_time(NOW - timedelta(days=300)))
    assert only(desk, http).key == f"article/{sf_id(1, 'kA0')}/published"
    assert desk[1].events(http, articles=None)[0] == []


# ---------------------------------------------------------------- how it asks


def test_a_list_that_does_not_say_where_it_goes_on_is_told(desk: Desk, http: httpx.Client) -> None:
    desk[0].misbehaves = lambda asked: Said({"done": False, "records": []}) if "query" in asked.path else None
    with pytest.raises(Invalid, match="goes on"):
        desk[1].events(http)


def test_it_is_not_led_to_another_host(desk: Desk, http: httpx.Client) -> None:
    away = {"done": False, "records": [], "nextRecordsUrl": "https://elsewhere.example/services"}
    desk[0].misbehaves = lambda asked: Said(away) if "query" in asked.path else None
    with pytest.raises(Invalid, match="another host"):
        desk[1].events(http)


def test_a_list_that_is_switched_on_later_begins_as_a_first_pull_would(
    desk: Desk, http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.publish(1, NOW - 48 * HOUR)
    _, cursor = pulled.events(http, articles=None)
    assert [event.kind for event in pulled.events(http, cursor)[0]] == ["knowledge.shared"]
    with pytest.raises(Invalid, match="cursor"):
        pulled.events(http, "nonsense")


def test_wrong_credentials_are_named(desk: Desk, http: httpx.Client) -> None:
    with pytest.raises(Invalid, match="400"):
        desk[1].events(http, client_secret="wrong")


@pytest.mark.parametrize(
    "settings",
    [{"rating_field": "CSAT__c FROM User"}, {"rating_question": "' OR Id != '"}, {"articles": "1"}],
)
def test_a_name_that_would_be_another_question_stops_the_start(desk: Desk, settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="write"):
        desk[1].make(**settings)


def test_accounts_are_ones_own_active_users(desk: Desk, http: httpx.Client) -> None:
    desk[0].put("User", sf_id(50, "005"), NOW, UserType="CspLitePortal", IsActive=True)
    desk[0].put("User", sf_id(51, "005"), NOW, UserType="Standard", IsActive=False)
    found = [(account.id, account.email, account.name) for account in desk[1].make().accounts(http)]
    assert found == [(MINE, "ana@example.com", "Ana Alvarez"), (BENS, "ben@example.com", "Ben Brandt")]


def test_it_takes_no_webhooks_and_has_none_to_simulate(desk: Desk) -> None:
    plugin = desk[1].make()
    with pytest.raises(Refused, match="no webhooks"):
        plugin.verify(Delivery(b"{}", {}, NOW))
    with pytest.raises(Invalid, match="simulate"):
        simulate.example_of(plugin)


# ---------------------------------------------------------------- the whole road


def test_a_complaint_that_was_mended_is_a_recovery_and_a_promise_closed_in_time_is_kept(
    db: Database, company: Company, clock: Clock, desk: Desk
) -> None:
    tool, pulled = desk
    with db.writing() as session:
        for account, name in ((MINE, "ana"), (BENS, "ben")):
            who = {"account": account, "person_id": company[name]}
            session.add(Identity(source="salesforce", linked_at=NOON, created_at=NOON, **who))
    tool.now = NOON
    due = {"CSAT__c": 5, "CSAT_Words__c": "Words", "Promised_For__c": sf_time(NOON)}
    case = tool.open(1, **due)
    tool.change(2, case, "CSAT__c", None, "1", NOON - 6 * HOUR)
    mail = {"ParentId": case, "CreatedById": MINE, "Incoming": False, "Status": "3"}
    tool.put("EmailMessage", sf_id(3), NOON - 5 * HOUR, **mail)
    tool.change(4, case, "CSAT__c", "1", "5", NOON - 4 * HOUR)
    tool.change(5, case, "Promised_For__c", None, sf_time(NOON), NOON - 3 * HOUR)
    tool.change(6, case, "Status", "Working", "Closed", NOON - HOUR)
    plugin = pulled.make(promise_field="Promised_For__c")
    config = Config(plugins={"salesforce": plugin}, pull_hosts=("127.0.0.1",))
    assert deliveries.pull(db, config, "salesforce", clock) == 6
    assert deliveries.pull(db, config, "salesforce", clock) == 0
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
        assert standings.total(session, company["ana"], "2026-W47") == 12 + 5
