"""The JSON API: its shapes, its doors, and its description, of which every example is sent."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import Session
from werkzeug.test import TestResponse

from leaderboard import config as configuration
from leaderboard import deliveries, nominations, people, recognition
from leaderboard.app import MAX_BODY, create_app
from leaderboard.database import Database
from leaderboard.plugin import Delivery
from leaderboard.tables import Nomination, Person, Team
from leaderboard.web.api import examples
from leaderboard.weeks import Week
from tests import corpus, make
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.web.test_hooks import FACT

Call = Callable[..., TestResponse]
MEMBERS = ("ana", "ben", "lea", "ada", "dan", "max")


def post(call: Call, who: str, path: str) -> TestResponse:
    return call(who, path, method="POST")


def thank(
    desk: Flask, db: Database, key: str = "csat-991", agent: str = "ana@example.com", **more: Any
) -> None:
    """A customer's thanks by webhook."""
    fact = FACT | {"data": FACT["data"] | {"key": key, "agent": agent} | more}
    moment = desk.extensions["clock"]()
    delivery = Delivery(json.dumps(fact).encode(), {}, moment)
    deliveries.receive(db, desk.extensions["config"], "standard", delivery)


def told(db: Database, company: Company, uid: str = examples.STORY_ID, by: str = "ana") -> str:
    with db.writing() as session:
        telling = nominations.Telling(
            ("ben",), "above-and-beyond", make.a_story(), "The Okafor family", NOON.date() - timedelta(1)
        )
        nominator = session.get_one(Person, company[by])
        return nominations.nominate(session, nominator, telling, NOON, uid=uid).uid


# ------------------------------------------------------------------------------------------ shapes


def test_standings_have_the_shape_that_the_design_promises(
    desk: Flask, db: Database, call: Call, company: Company
) -> None:
    thank(desk, db)
    thank(desk, db, "csat-1", "ben@example.com", customer="Ms Lee", ticket="1")
    answer = call("dan", "/standings")
    assert answer.json == {
        "period": "2026-W47",
        "team": None,
        "guideline": None,
        "closed": False,
        "standings": [
            {"rank": 1, "person": {"id": company.uids[one], "handle": one, "name": one.title()}, "points": 8}
            for one in ("ben", "ana")
        ],
        "next": None,
    }


def test_standings_by_month_team_guideline_and_around_a_person(desk: Flask, db: Database, call: Call) -> None:
    thank(desk, db)
    for query, points in (
        ("month=2026-11", [8]),
        ("period=2026-Q4&team=care", [8]),
        ("period=2026&team=shop", []),
        ("week=2026-W46", []),
        ("guideline=relationships", [8]),
        ("guideline=team-player", []),
        ("around=ana@example.com", [8]),
        ("around=dan", []),
    ):
        answer = call("ben", f"/standings?{query}")
        assert answer.json is not None
        assert [row["points"] for row in answer.json["standings"]] == points, query


def test_a_list_goes_on_where_its_page_ended(desk: Flask, db: Database, call: Call) -> None:
    for number, name in enumerate(("ana", "ben", "chris", "dan", "eve")):
        thank(desk, db, f"k{number}", f"{name}@example.com", customer=f"c{number}", ticket=f"{number}")
    seen: list[tuple[int, str]] = []
    after = ""
    for size in (2, 2, 1):
        page: Any = call("ana", f"/standings?limit=2{after}").json
        assert len(page["standings"]) == size
        seen += [(row["rank"], row["person"]["handle"]) for row in page["standings"]]
        after = f"&after={page['next']}"
    assert page["next"] is None
    assert sorted(seen) == [(1, name) for name in ("ana", "ben", "chris", "dan", "eve")]


@pytest.mark.parametrize("after", ["garbage", "WzEsMl0.AAAA", "%00", "x" * 400, "[1,2]"])
def test_a_cursor_that_is_not_ours_is_refused(call: Call, after: str) -> None:
    for path in ("standings", "people", "people/ana/points", "stories", "promises", "thanks", "weeks"):
        assert call("ana", f"/{path}?after={after}").status_code == 400, path


def test_the_cursor_of_one_list_opens_no_other(desk: Flask, db: Database, call: Call) -> None:
    page: Any = call("ana", "/people?limit=1").json
    assert call("ana", f"/people?after={page['next']}").status_code == 200
    assert call("ana", f"/thanks?after={page['next']}").status_code == 400


def test_points_explain_every_entry_and_add_up(
    desk: Flask, db: Database, call: Call, company: Company
) -> None:
    for number in range(3):
        thank(desk, db, f"k{number}", customer=f"c{number}", ticket=f"{number}")
    whole: Any = call("ana", "/people/me".replace("me", "ana") + "/points?limit=2").json
    rest: Any = call("ana", f"/people/ana/points?after={whole['next']}").json
    assert whole["total"] == rest["total"] == 24
    entries = whole["entries"] + rest["entries"]
    assert sum(entry["points"] for entry in entries) == 24
    assert set(entries[0]) == {
        "at", "kind", "points", "full_points", "why", "week", "guideline", "source", "evidence", "reverses",
    }  # fmt: skip
    assert entries[0]["source"] == "standard"
    week: Any = call("ana", "/people/ana/points?week=2026-W46").json
    assert (week["total"], week["entries"]) == (0, [])


def test_a_customer_is_named_to_the_person_their_leads_and_admins_alone(
    desk: Flask, db: Database, call: Call
) -> None:
    thank(desk, db)
    for who, knows in (("ana", True), ("lea", True), ("ada", True), ("ben", False), ("max", False)):
        points: Any = call(who, "/people/ana/points").json
        assert ("Mr Ito" in json.dumps(points)) is knows, who
        assert ("luggage" in json.dumps(points)) is knows, who
        said: Any = call(who, "/thanks").json
        assert [one["customer"] for one in said["thanks"]] == (["Mr Ito"] if knows else [None]), who


def test_a_person_is_found_by_id_handle_and_address(call: Call, company: Company) -> None:
    for name in (company.uids["ben"], "ben", "BEN@example.com"):
        found: Any = call("ana", f"/people/{name}").json
        assert (found["handle"], found["email"]) == ("ben", None)


def hide(db: Database, company: Company, who: str, visibility: str) -> None:
    with db.writing() as session:
        person = session.get_one(Person, company[who])
        person.visibility, person.alias = visibility, "Night owl"
        session.add(person)


def test_points_that_are_not_for_the_viewer_answer_like_nobodys(
    desk: Flask, db: Database, call: Call, company: Company
) -> None:
    thank(desk, db)
    hide(db, company, "ana", "team")
    assert call("ben", "/people/ana/points").status_code == 200
    foreign, missing = call("dan", "/people/ana/points"), call("dan", "/people/nobody/points")
    assert foreign.status_code == missing.status_code == 404
    assert {**(foreign.json or {}), "reference": ""} == {**(missing.json or {}), "reference": ""}


def test_behind_an_alias_there_is_no_id_and_no_way_to_find_it(
    desk: Flask, db: Database, call: Call, company: Company
) -> None:
    thank(desk, db)
    hide(db, company, "ana", "alias")
    board: Any = call("ben", "/standings").json
    assert board["standings"][0]["person"] == {"id": None, "handle": None, "name": "Night owl"}
    assert call("ben", "/standings?around=ana").json["standings"] == []  # type: ignore[index]
    hide(db, company, "ana", "off")
    assert call("ben", "/standings").json["standings"] == []  # type: ignore[index]


# ------------------------------------------------------------------------------------------ telling and judging


def test_a_story_is_told_accepted_co_signed_and_withdrawn(call: Call) -> None:
    answer = call("ana", "/stories", examples.STORY_IN)
    assert answer.status_code == 201
    story: Any = answer.json
    assert answer.headers["Location"] == f"/api/v1/stories/{story['id']}"
    path = f"/stories/{story['id']}"
    assert (story["state"], story["points"], story["customer"]) == ("waiting", 0, "The Okafor family")
    assert post(call, "ben", f"{path}/accept").status_code in (403, 404), "nobody judges their own"
    assert post(call, "lea", f"{path}/accept").json["points"] == 10  # type: ignore[index]
    signed: Any = post(call, "dan", f"{path}/co-sign").json
    assert (signed["co_signs"], signed["co_signed"], signed["customer"]) == (1, True, None)
    assert call("ben", "/people/ben/points").json["total"] == 11  # type: ignore[index]
    assert post(call, "ana", f"{path}/withdraw").json["state"] == "withdrawn"  # type: ignore[index]
    assert post(call, "ana", f"{path}/withdraw").status_code == 200, "twice is once"
    points: Any = call("ben", "/people/ben/points").json
    assert points["total"] == sum(entry["points"] for entry in points["entries"]) == 0


def test_the_wall_goes_on_and_so_do_promises_thanks_people_and_deliveries(
    desk: Flask, db: Database, call: Call, company: Company
) -> None:
    for number in range(3):
        uid = told(db, company, f"{number}" * 32)
        assert post(call, "lea", f"/stories/{uid}/accept").status_code == 200
        assert call("ana", "/promises", examples.PROMISE_IN).status_code == 201
        thank(desk, db, f"k{number}", customer=f"c{number}", ticket=f"{number}")
    for path, name in (
        ("/stories", "stories"),
        ("/stories?order=loved", "stories"),
        ("/promises", "promises"),
        ("/thanks", "thanks"),
        ("/deliveries", "deliveries"),
        ("/people?team=care", "people"),
    ):
        glue = "&" if "?" in path else "?"
        whole: Any = call("ada", f"{path}{glue}limit=100").json
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page: Any = call("ada", f"{path}{glue}limit=1" + (f"&after={after}" if after else "")).json
            seen += [row["id"] for row in page[name]]
            after = page["next"]
        assert seen == [row["id"] for row in whole[name]], path
        assert len(seen) >= 3, path


def test_who_judges_finds_what_waits_and_the_list_goes_on(db: Database, call: Call, company: Company) -> None:
    uids = [told(db, company, f"{number}" * 32) for number in (1, 2, 3)]
    first: Any = call("lea", "/stories?state=waiting&limit=2").json
    rest: Any = call("lea", f"/stories?state=waiting&after={first['next']}").json
    assert [story["id"] for story in first["stories"] + rest["stories"]] == uids
    assert rest["next"] is None
    for other in ("ana", "ben", "dan"):
        assert call(other, "/stories?state=waiting").json["stories"] == []  # type: ignore[index]
    assert call("lea", f"/stories?after={first['next']}").status_code == 400, "the wall is another list"


def test_a_declined_story_says_why_to_its_nominator_alone(call: Call) -> None:
    story: Any = call("ana", "/stories", examples.STORY_IN).json
    path = f"/stories/{story['id']}"
    assert call("lea", f"{path}/decline", {"reason": "  "}).status_code == 422
    assert call("lea", f"{path}/decline", examples.DECLINE).json["state"] == "declined"  # type: ignore[index]
    assert call("ana", path).status_code == 200
    assert call("dan", path).status_code == 404
    assert post(call, "lea", f"{path}/accept").status_code in (400, 422), "somebody was quicker"


def test_every_mistake_in_a_story_is_named_with_its_field(call: Call) -> None:
    wrong = {"nominees": ["ana", "nobody"], "guideline": "team-player", "story": "Too short."}
    answer = call("ana", "/stories", wrong)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert [mistake["field"] for mistake in answer.json["errors"]] == ["nominees", "nominees", "story"]


@pytest.mark.parametrize(
    "more",
    [
        {"points": 1000},
        {"state": "accepted"},
        {"id": "0" * 32},
        {"uid": "0" * 32},
        {"nominator": "lea@example.com"},
        {"team_id": 1},
        {"judged_by": 1},
        {"worth": 99},
    ],
    ids=str,
)
def test_nothing_that_is_not_the_senders_can_be_sent_along(
    call: Call, db: Database, more: dict[str, Any]
) -> None:
    answer = call("ana", "/stories", examples.STORY_IN | more)
    assert answer.status_code == 422
    with db.reading() as session:
        assert session.get(Nomination, 1) is None


def test_a_story_of_others_and_one_that_is_not_there_answer_alike(
    db: Database, call: Call, company: Company
) -> None:
    uid = told(db, company)
    for step in ("", "/accept", "/withdraw", "/co-sign"):
        method = "POST" if step else "GET"
        foreign = call("dan", f"/stories/{uid}{step}", method=method)
        missing = call("dan", f"/stories/{'0' * 32}{step}", method=method)
        assert foreign.status_code == missing.status_code == 404, step
        assert {**(foreign.json or {}), "reference": ""} == {**(missing.json or {}), "reference": ""}


# ------------------------------------------------------------------------------------------ promises


def test_a_promise_is_made_moved_kept_and_borne_out(call: Call, clock: Clock) -> None:
    answer = call("ana", "/promises", examples.PROMISE_IN)
    assert answer.status_code == 201
    promise: Any = answer.json
    assert (promise["state"], promise["due_at"]) == ("open", "2026-11-19T17:00:00Z")
    path = f"/promises/{promise['id']}"
    clock.forward(hours=1)
    assert call("ben", f"{path}/move", examples.MOVE).status_code == 403
    assert call("ana", f"{path}/move", examples.MOVE).json["due_at"] == examples.MOVE["due_at"]  # type: ignore[index]
    assert call("ana", f"{path}/keep", examples.KEEP).json["state"] == "kept"  # type: ignore[index]
    assert post(call, "ana", f"{path}/confirm").status_code == 403, "nobody bears out their own"
    assert call("ana", "/people/ana/points").json["total"] == 0  # type: ignore[index]
    assert post(call, "ben", f"{path}/confirm").json["confirmed_as"] == "colleague"  # type: ignore[index]
    assert call("ana", "/people/ana/points").json["total"] == 5  # type: ignore[index]


def test_promises_are_for_the_team_its_leads_and_admins(call: Call) -> None:
    promise: Any = call("ana", "/promises", examples.PROMISE_IN).json
    for who, sees in (
        ("ana", True),
        ("ben", True),
        ("lea", True),
        ("ada", True),
        ("dan", False),
        ("max", False),
    ):
        assert (call(who, f"/promises/{promise['id']}").status_code == 200) is sees, who
        seen: Any = call(who, "/promises?state=open").json
        assert (len(seen["promises"]) == 1) is sees, who
    assert call("ben", f"/promises/{promise['id']}").json["customer"] is None  # type: ignore[index]


@pytest.mark.parametrize("moment", corpus.times(), ids=lambda time: time.name)
def test_a_time_says_its_zone_and_exists(desk: Flask, tokens: dict[str, str], moment: corpus.Time) -> None:
    body = json.dumps(examples.PROMISE_IN | {"due_at": moment.value}).encode()
    headers = {"Authorization": f"Bearer {tokens['ana']}", "Content-Type": "application/json"}
    answer = desk.test_client().post("/api/v1/promises", data=body, headers=headers)
    assert answer.status_code in (201, 422, 400)
    if moment.utc is None:
        assert answer.status_code != 201


# ------------------------------------------------------------------------------------------ weeks, deliveries, health


def test_a_closed_week_shows_its_winners_once_they_are_announced(
    desk: Flask, db: Database, call: Call, company: Company, clock: Clock
) -> None:
    thank(desk, db)
    thank(desk, db, "csat-2", customer="Ms Lee", ticket="2")
    week = Week.parse("2026-W47")
    clock.forward(days=6)
    with db.writing() as session:
        ready(session, company["ana"])
    with db.writing() as session:
        closed_id = recognition.close_week(
            session, desk.extensions["config"], company.teams["Care"], week, clock()
        )
        assert closed_id is not None
    page: Any = call("dan", "/weeks/2026-W47").json
    care = next(team for team in page["teams"] if team["team"] == "care")
    assert (page["provisional"], care["state"], care["winners"]) == (True, "closed", [])
    assert page["standings"][0]["points"] == 16
    with db.writing() as session:
        ada = session.get_one(Person, company["ada"])
        recognition.announce(session, desk.extensions["config"], closed_id, clock(), ada)
    weeks: Any = call("dan", "/weeks").json
    assert weeks["weeks"][0]["week"] == "2026-W47"
    winner = weeks["weeks"][0]["teams"][0]["winners"][0]
    assert (winner["person"]["handle"], winner["points"]) == ("ana", 16)
    board: Any = call("dan", "/standings?week=2026-W47&team=care").json
    assert board["closed"] is True


def ready(session: Session, person_id: int) -> None:
    """Let W47 be the team's first week, so that it can be closed on its own."""
    team = session.get_one(Team, session.get_one(Person, person_id).team_id)
    team.first_week = "2026-W47"
    session.add(team)


@pytest.mark.parametrize("week", ["2026-W54", "2026-47", "next", "2026-W00", "0000-W01", "9999-W52"])
def test_a_week_that_does_not_exist_is_not_found(call: Call, week: str) -> None:
    assert call("ana", f"/weeks/{week}").status_code == 404


def test_deliveries_are_listed_and_replayed_by_admins_alone(desk: Flask, db: Database, call: Call) -> None:
    thank(desk, db)
    listed: Any = call("ada", "/deliveries?source=standard&state=done").json
    assert [row["events"] for row in listed["deliveries"]] == [1]
    replayed: Any = post(call, "ada", "/deliveries/1/replay").json
    assert replayed == {"delivery": 1, "state": "done", "events": 0, "repeated": 1, "reason": None}
    assert post(call, "ada", "/deliveries/99/replay").status_code == 404
    assert post(call, "ada", "/deliveries/x/replay").status_code == 404
    assert post(call, "ada", "/deliveries/3000000000/replay").status_code == 404
    assert post(call, "ada", "/deliveries/٣/replay").status_code == 404
    for who in ("ana", "lea", "reader"):
        assert call(who, "/deliveries").status_code == 403
        assert post(call, who, "/deliveries/1/replay").status_code == 403


# ------------------------------------------------------------------------------------------ doors


def test_without_a_token_everything_is_refused_and_says_how(desk: Flask, call: Call) -> None:
    for rule in desk.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1/") or rule.endpoint in PUBLIC:
            continue
        path = rule.rule.removeprefix("/api/v1")
        for name, value in examples.PARAMETERS.items():
            path = path.replace(f"<{name}>", value)
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            answer = call(None, path, method=method)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.mimetype == "application/problem+json"


PUBLIC = {"api.openapi", "api.docs", "api.events_schema"}


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer em_wrong", "Basic YTpi", "bearer em_é", "Bearer " + "em_" + "a" * 5000],
    ids=range(6),
)
def test_a_header_that_is_no_token_is_no_token(desk: Flask, header: str) -> None:
    answer = desk.test_client().get("/api/v1/people", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_session_in_a_browser_is_no_token(desk: Flask, client_of: Callable[[str], FlaskClient]) -> None:
    assert client_of("ana").get("/api/v1/people").status_code == 401


def test_a_token_that_reads_cannot_write(call: Call) -> None:
    assert call("reader", "/stories").status_code == 200
    assert call("reader", "/stories", examples.STORY_IN).status_code == 403


def test_a_token_ends_with_its_time_and_with_its_person(
    db: Database, call: Call, company: Company, clock: Clock
) -> None:
    clock.forward(days=2)
    assert call("reader", "/people").status_code == 401
    assert call("ana", "/people").status_code == 200
    with db.writing() as session:
        people.deactivate(session, session.get_one(Person, company["ana"]), clock())
    assert call("ana", "/people").status_code == 401


# ------------------------------------------------------------------------------------------ strictness


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=-1", "limit=1e1", "limit=٣", "limit=", "limit=1_0", "limit=x", "color=red",
        "week=2026-W54", "week=2026-W7", "month=2026-13", "period=yesterday", "week=2026-W47&month=2026-11",
        "team=nowhere", "guideline=sloth", "team=", "around=",
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_meant_is_refused(call: Call, query: str) -> None:
    answer = call("ana", f"/standings?{query}")
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"]


def test_a_parameter_twice_or_with_a_nul_is_refused(call: Call) -> None:
    assert call("ana", "/standings?limit=1&limit=2").status_code == 400
    assert call("ana", "/people?name=%00").status_code == 400
    assert call("ana", "/people/%00").status_code == 404
    assert call("ana", "/people?name=%ff%fe").status_code == 200, "not UTF-8: a letter that nobody has"


def test_errors_are_problems_whatever_went_wrong(call: Call) -> None:
    large = json.dumps(examples.STORY_IN | {"story": "x" * MAX_BODY}).encode()
    cases = {
        404: call("ana", "/nothing"),
        405: call("ana", "/standings", method="DELETE"),
        413: call("ana", "/stories", large),
        415: call("ana", "/stories", examples.STORY_IN, headers={"Content-Type": "text/plain"}),
        400: call("ana", "/stories", b"{"),
        422: call("ana", "/stories", {}),
    }
    for code, answer in cases.items():
        assert answer.status_code == code
        assert answer.mimetype == "application/problem+json", code
        assert answer.json is not None
        assert set(answer.json) == {"type", "title", "status", "detail", "reference", "errors"}
        assert answer.json["status"] == code
    assert "GET" in cases[405].headers["Allow"]


def test_whoever_writes_too_often_is_told_to_wait(call: Call) -> None:
    statuses = [call("ana", "/stories", {}).status_code for _ in range(125)]
    assert statuses[:120] == [422] * 120
    assert statuses[-1] == 429
    assert call("ben", "/stories", {}).status_code == 422, "the others go on"


def test_a_database_that_is_gone_is_a_503_that_asks_to_come_again(
    db: Database, company: Company, clock: Clock, tokens: dict[str, str]
) -> None:
    away = create_app(configuration.read(CONFIG), Database("postgresql://nobody@127.0.0.1:9/away"), clock)
    answer = away.test_client().get("/api/v1/people", headers={"Authorization": f"Bearer {tokens['ana']}"})
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    away.extensions["database"].dispose()


def description(desk: Flask) -> Any:
    return desk.test_client().get("/api/v1/openapi.json").json


def writing_paths(desk: Flask) -> Iterator[tuple[str, bool]]:
    for path, steps in description(desk)["paths"].items():
        for operation in (step for method, step in steps.items() if method == "post"):
            for name, value in examples.PARAMETERS.items():
                path = path.replace(f"{{{name}}}", value)
            yield path.removeprefix("/api/v1"), "requestBody" in operation


def test_no_body_breaks_any_address(desk: Flask, call: Call, clock: Clock) -> None:
    for path, takes in list(writing_paths(desk)):
        for body in corpus.bodies()[:: 1 if takes else 9]:
            if not body.content and not takes:
                continue
            answer = call("ada", path, body.content)
            assert 400 <= answer.status_code < 500, (path, body.name, answer.status_code)
            if not body.accepted and answer.status_code != 429:
                assert answer.status_code in (400, 413), (path, body.name, answer.status_code)


def test_no_text_breaks_a_story_or_a_promise(desk: Flask, call: Call) -> None:
    for name, text in corpus.texts().items():
        for path, body in (
            ("/stories", examples.STORY_IN | {"story": text, "customer": text}),
            ("/stories", examples.STORY_IN | {"nominees": [text]}),
            ("/promises", examples.PROMISE_IN | {"what": text, "customer": text}),
        ):
            raw = json.dumps(body).encode()  # escapes also what is half of a character
            assert call("ana", path, raw).status_code in (201, 400, 413, 422, 429), (name, path)
