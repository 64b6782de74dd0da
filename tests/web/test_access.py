"""Who may open what: default deny, roles, and the way to the sign-in page."""

from collections.abc import Callable

import pytest
from flask import Flask

from leaderboard.web.access import admin_only, lead_only, me, public
from tests.visitor import Visitor


@pytest.fixture
def doors(app: Flask) -> Flask:
    """Routes of each kind beside the product's own."""
    app.get("/test/member", endpoint="test_member")(lambda: me().handle)
    app.post("/test/member", endpoint="test_post")(lambda: me().handle)
    app.get("/test/public", endpoint="test_public")(public(lambda: "welcome"))
    app.get("/test/lead", endpoint="test_lead")(lead_only(lambda: me().handle))
    app.get("/test/admin", endpoint="test_admin")(admin_only(lambda: me().handle))
    return app


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        ("/test/public", None, 200),
        ("/test/member", None, 302),
        ("/test/lead", None, 302),
        ("/test/admin", None, 302),
        ("/test/public", "ana", 200),
        ("/test/member", "ana", 200),
        ("/test/lead", "ana", 403),
        ("/test/admin", "ana", 403),
        ("/test/lead", "lea", 200),
        ("/test/admin", "lea", 403),
        ("/test/lead", "ada", 200),
        ("/test/admin", "ada", 200),
    ],
)
def test_a_route_is_open_to_whom_it_says_and_to_nobody_else(
    doors: Flask,
    visitor: Visitor,
    client_of: Callable[[str], Visitor],
    path: str,
    who: str | None,
    status: int,
) -> None:
    client = client_of(who) if who else visitor
    assert client.get(path).status_code == status


def test_the_sign_in_page_knows_the_way_back(doors: Flask, visitor: Visitor) -> None:
    assert visitor.get("/test/member?a=1").headers["Location"] == "/sign-in?next=/test/member?a%3D1"


def test_a_form_without_its_token_is_refused(doors: Flask, client_of: Callable[[str], Visitor]) -> None:
    ana = client_of("ana")
    assert ana.post("/test/member").status_code == 400
    assert ana.submit("/test/member").text == "ana"


def test_a_form_of_a_signed_out_person_is_told_so(doors: Flask, visitor: Visitor) -> None:
    assert visitor.submit("/test/member").status_code == 401
