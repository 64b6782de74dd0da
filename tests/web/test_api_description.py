"""The API's description: it is valid, it names every route, and every example in it runs; no input breaks a call."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from schemathesis.specs.openapi.checks import positive_data_acceptance
from werkzeug.test import TestResponse

from leaderboard import promises
from leaderboard.database import Database
from leaderboard.tables import Person, Promise
from leaderboard.web.api import examples
from tests.make import NOON, Clock, Company
from tests.web.test_api import PUBLIC, description, thank, told
from tests.web.test_hooks import FACT

Call = Callable[..., TestResponse]
MEMBERS = ("ana", "ben", "lea", "ada", "dan", "max")


def test_the_description_is_valid_and_names_every_route(desk: Flask) -> None:
    said = description(desk)
    validate(said)
    assert said["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, steps in said["paths"].items() for method in steps}
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in desk.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint not in PUBLIC
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    }
    assert described == served


@pytest.fixture
def as_in_the_examples(desk: Flask, db: Database, company: Company, clock: Clock) -> None:
    """The rows that the examples speak of: a story, a promise, a delivery."""
    told(db, company)
    with db.writing() as session:
        ana = session.get_one(Person, company["ana"])
        making = promises.Making("Find the suitcase", NOON + timedelta(days=1))
        row = promises.make(session, ana, making, NOON)
        session.connection().execute(
            Promise.__table__.update()  # type: ignore[attr-defined]
            .where(Promise.__table__.c.id == row.id)  # type: ignore[attr-defined]
            .values(uid=examples.PROMISE_ID)
        )
    thank(desk, db)
    clock.forward(minutes=40)


ORDER = ("accept", "co-sign", "withdraw", "keep", "move", "confirm")


def test_every_example_of_the_description_runs(
    desk: Flask, db: Database, call: Call, company: Company, as_in_the_examples: None
) -> None:
    said = description(desk)
    whose = {"accept": "lea", "co-sign": "dan", "decline": "lea", "confirm": "ben"}
    sent = 0
    for path, method, operation in in_order(said):
        step = path.rpartition("/")[2]
        who = "ada" if operation["x-scope"] == "admin" else whose.get(step, "ana")
        if step == "decline":
            told(db, company, uid := "1" * 32, by="chris")
        address = path.removeprefix("/api/v1")
        queries = [""]
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                value = uid if step == "decline" else parameter["example"]
                address = address.replace(f"{{{parameter['name']}}}", value)
            elif "example" in parameter:
                queries.append(f"?{parameter['name']}={parameter['example']}")
        body = None
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["example"]
        for query in queries:
            answer = call(who, address + query, body, method=method.upper())
            assert str(answer.status_code) in operation["responses"], (path, answer.json)
            assert answer.status_code in (200, 201), (path, query, answer.json)
            check(said, operation, answer.status_code, answer.json)
            sent += 1
        ok = next(code for code in operation["responses"] if code.startswith("2"))
        check(said, operation, int(ok), operation["responses"][ok]["content"]["application/json"]["example"])
    assert sent > 40


def in_order(said: Any) -> list[tuple[str, str, Any]]:
    """The calls, those that need another one before them later."""
    calls = [(path, method, step) for path, steps in said["paths"].items() for method, step in steps.items()]
    last = {"move": 1, "keep": 2, "confirm": 3, "accept": 1, "co-sign": 2, "withdraw": 3}
    return sorted(calls, key=lambda one: last.get(one[0].rpartition("/")[2], 0))


def check(said: Any, operation: Any, status: int, value: Any) -> None:
    """That an answer is as its schema says."""
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    whole = schema | {"components": said["components"]}
    Draft202012Validator(whole).validate(value)


def test_the_schema_of_events_is_that_of_the_standard_source(desk: Flask) -> None:
    schema = desk.test_client().get("/api/v1/events.schema.json").json
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(FACT)
    assert list(Draft202012Validator(schema).iter_errors(FACT | {"points": 100}))


def test_the_page_for_people_lists_every_call_and_loads_nothing_from_elsewhere(desk: Flask) -> None:
    answer = desk.test_client().get("/api/v1/docs")
    assert answer.status_code == 200
    for path in description(desk)["paths"]:
        assert path.removeprefix("/api/v1") in answer.text
    assert "<script>" not in answer.text
    assert "//cdn" not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_input_causes_a_server_error(
    desk: Flask, tokens: dict[str, str], as_in_the_examples: None
) -> None:
    """schemathesis makes calls from the description, right and wrong ones, and compares the answers with it."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", desk)
    headers = {
        "Authorization": f"Bearer {tokens['ada']}",
        "Accept-Encoding": "identity",
    }  # it unpacks nothing
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=12, suppress_health_check=list(HealthCheck), database=None)
        def sent(case: Any) -> None:
            # No schema can say which cursors are ours and which stories exist, so right input may still be refused.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        sent()
