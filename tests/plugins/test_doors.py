"""Tools that knock in their own way, at the door that they really come to."""

import json
from typing import Any

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import config as settings
from leaderboard.app import create_app
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Secret, hmac_of
from leaderboard.tables import Delivery
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL

SOURCES = """
[plugins.intercom]
client_secret = "intercom-client-secret"
[plugins.front]
signing_key = "front-signing-key"
[plugins.chatwoot]
account_id = 1
url_secret = "a-secret-in-the-address"
[plugins.freshdesk]
domain = "fairhaven"
secret = "a-secret-in-a-header"
[plugins.glpi]
address = "https://glpi.example.com"
secret = "glpi-webhook-secret"
[plugins.zoho_desk]
"""


@pytest.fixture
def config() -> Config:
    zoho = "\n".join(f"{name} = '{value}'" for name, value in OF_TOOL["zoho_desk"][0].settings.items())
    return settings.read(CONFIG + SOURCES + zoho)


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock, config: Config) -> Flask:
    return create_app(config, db, clock)


def body_of(tool: str, case: str) -> bytes:
    return next(sample for sample in OF_TOOL[tool] if sample.case == case).body


def test_intercom_tries_the_address_and_pings_it(desk: Flask, config: Config) -> None:
    client = desk.test_client()
    assert client.head("/hooks/intercom").status_code == 200
    ping = json.dumps({"topic": "ping", "data": {"item": {"type": "ping"}}}).encode()
    answer = client.post("/hooks/intercom", data=ping, headers=config.plugins["intercom"].sign(ping, NOON))
    assert (answer.status_code, answer.text) == (200, "pong")
    assert client.post("/hooks/intercom", data=ping).status_code == 401


def test_front_gets_its_challenge_back(desk: Flask, config: Config) -> None:
    body = json.dumps({"type": "sync", "authorization": {"id": "cmp_1"}}).encode()
    headers = {**config.plugins["front"].sign(body, NOON), "X-Front-Challenge": "k3n1x"}
    answer = desk.test_client().post("/hooks/front", data=body, headers=headers)
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "k3n1x", "text/plain")
    stranger = desk.test_client().post("/hooks/front", data=body, headers={"X-Front-Challenge": "k3n1x"})
    assert stranger.status_code == 401
    assert "k3n1x" not in stranger.text


def test_a_secret_in_an_address_lets_in_and_is_not_kept(desk: Flask, db: Database) -> None:
    body, client = body_of("chatwoot", "answer"), desk.test_client()
    assert client.post("/hooks/chatwoot?secret=a-secret-in-the-address", data=body).status_code == 202
    assert client.post("/hooks/chatwoot?secret=another", data=body).status_code == 401
    assert client.post("/hooks/chatwoot", data=body).status_code == 401
    with db.reading() as session:
        (kept,) = session.exec(select(Delivery)).all()
    assert "a-secret-in-the-address" not in repr(kept.model_dump())


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"X-Extra-Mile-Secret": "a-secret-in-a-header"}, 202), ({"X-Extra-Mile-Secret": "x"}, 401), ({}, 401)],
)
def test_a_secret_in_a_header_lets_in_and_is_not_kept(
    desk: Flask, db: Database, headers: dict[str, str], status: int
) -> None:
    answer: Any = desk.test_client().post(
        "/hooks/freshdesk", data=body_of("freshdesk", "thanks"), headers=headers
    )
    assert answer.status_code == status
    with db.reading() as session:
        assert "a-secret-in-a-header" not in repr(
            [row.model_dump() for row in session.exec(select(Delivery))]
        )


def test_zoho_desk_tries_the_address_and_wants_200_for_every_delivery(desk: Flask, config: Config) -> None:
    client, body = desk.test_client(), body_of("zoho_desk", "thanks")
    assert client.get("/hooks/zoho_desk").status_code == 200
    answer = client.post("/hooks/zoho_desk", data=body, headers=config.plugins["zoho_desk"].sign(body, NOON))
    assert (answer.status_code, (answer.json or {})["state"]) == (200, "done")
    assert client.post("/hooks/zoho_desk", data=body).status_code == 401


def test_glpi_challenges_the_address_and_nobody_else_can(desk: Flask) -> None:
    client, secret = desk.test_client(), Secret("glpi-webhook-secret")
    token = hmac_of(secret, b"validate_cra_challenge", encoding="hex")
    answer = client.get("/hooks/glpi", query_string={"crc_token": token})
    assert (answer.status_code, answer.text) == (200, hmac_of(secret, token.encode(), encoding="hex"))
    forged = "{}1795165200"
    answer = client.get("/hooks/glpi", query_string={"crc_token": forged})
    assert answer.status_code == 401
    assert hmac_of(secret, forged.encode(), encoding="hex") not in answer.text
