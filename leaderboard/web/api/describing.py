"""The API's description: openapi.json, the page that shows it, and the schema of events."""

import importlib
import json
import re
from http import HTTPStatus
from typing import Any, cast

from apiflask import APIFlask
from flask import Response, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue

from leaderboard import __version__
from leaderboard.config import Config, plugins_package
from leaderboard.web.access import access_of, public
from leaderboard.web.api import examples, shapes
from leaderboard.web.api.blueprint import PREFIX, StrictJSON, api

ABOUT = """Stories, thanks, promises and points of Extra Mile.

Every call carries a token: `Authorization: Bearer em_...`, made by `leaderboard token create` or on your account page. A token
has scopes: `read`; `write` for what changes something; `admin` for what only admins may do. It can do what its person may do,
and nothing more.

Lists come in pages: pass the `next` of an answer as `after`. Times are UTC, days are `2026-11-20`, weeks are `2026-W47`. Errors
are `application/problem+json`; their `reference` stands in the server's log too. Fields and parameters that are not described
here are refused. Ids of people can also be handles or e-mail addresses."""

ERRORS = {
    400: "It cannot be read: not plain JSON, a parameter twice, a cursor that is not ours.",
    401: "No token, or one that is not valid any more.",
    403: "The token's scope or its person's role does not reach so far.",
    404: "There is no such thing, or it is not for you to see.",
    405: "Not with this method.",
    409: "It cannot be done as things stand.",
    413: "More than 1 MB.",
    415: "Not application/json.",
    422: "It can be read and cannot be right; `errors` says field by field what to mend.",
    429: "Too often in a short time; Retry-After says how long to wait.",
    503: "The database cannot take it now: nothing was written, try again.",
}


def install(app: APIFlask, config: Config) -> None:
    """Read JSON strictly everywhere, and describe the API."""
    app.json = StrictJSON(app)
    app.config.update(
        DESCRIPTION=ABOUT,
        SERVERS=[{"url": config.public_url}],
        AUTO_SERVERS=False,
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        SECURITY_SCHEMES={"token": {"type": "http", "scheme": "bearer"}},
    )
    app.title, app.version = "Extra Mile", __version__
    app.spec_processor(complete)


@api.get("/openapi.json")
@api.doc(hide=True)
@public
def openapi() -> ResponseReturnValue:
    """The description for programs: OpenAPI 3.1."""
    return jsonify(description())


@api.get("/docs")
@api.doc(hide=True)
@public
def docs() -> ResponseReturnValue:
    """The description for people, from our own files."""
    said = description()
    return render_template(
        "api_docs.html", said=said, operations=operations(said), pretty=pretty, resolve=resolver(said)
    )


@api.get("/events.schema.json")
@api.doc(hide=True)
@public
def events_schema() -> ResponseReturnValue:
    """What the `standard` source takes, as JSON Schema."""
    plugin = importlib.import_module(f"{plugins_package()}.standard")
    response: Response = jsonify(plugin.schema())
    response.mimetype = "application/schema+json"
    return response


def description() -> dict[str, Any]:
    """The document, made once."""
    app = cast("APIFlask", current_app)
    if "api description" not in app.extensions:
        app.extensions["api description"] = app.spec
    return cast("dict[str, Any]", app.extensions["api description"])


def complete(said: Any) -> Any:
    """Add to what apiflask wrote: errors as problems, required bodies, addresses that an example stands in, tokens."""
    said = one_name_each(said)
    said["components"]["schemas"]["Problem"] = shapes.Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    nested = said["components"]["schemas"]["Problem"].pop("$defs", {})
    said["components"]["schemas"] |= nested
    said["components"]["responses"] = {f"Error{code}": _error(code, text) for code, text in ERRORS.items()}
    for path, steps in said["paths"].items():
        for method, operation in steps.items():
            _complete_operation(path, method, operation)
    return said


def one_name_each(said: dict[str, Any]) -> dict[str, Any]:
    """apiflask names a part of a model anew in each model ("People.Person"); they are one model with one name."""
    schemas = said["components"]["schemas"]
    text = json.dumps(said)
    for name in schemas:
        if "." in name:
            text = text.replace(
                f'"#/components/schemas/{name}"', f'"#/components/schemas/{name.rpartition(".")[2]}"'
            )
    merged: dict[str, Any] = json.JSONDecoder().decode(text)
    merged["components"]["schemas"] = {
        name.rpartition(".")[2]: schema for name, schema in merged["components"]["schemas"].items()
    }
    return merged


def _error(code: int, text: str) -> dict[str, Any]:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": text,
        "reference": "9f86d081",
        "errors": [{"field": "story", "message": "too short"}] if code == 422 else [],
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem}
    return {"description": text, "content": {"application/problem+json": content}}


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    view = _view(path, method)
    operation["operationId"] = view.rpartition(".")[2]
    operation["security"] = [{"token": []}]
    codes = {400, 401, 403, 503}
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        codes |= {413, 415, 422}
    if method == "post":
        codes |= {409, 413, 429}
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string", "minLength": 1}
            parameter["example"] = examples.PARAMETERS[parameter["name"]]
            codes.add(404)
        else:
            schema = parameter["schema"]
            codes |= {404, 422} if parameter["name"] == "around" else {422}
            if schema.get("default", 0) is None:
                del schema["default"]
            if text := schema.pop("description", None):
                parameter["description"] = text
            if given := schema.pop("examples", None):
                parameter["example"] = given[0]
            schema.pop("title", None)
    operation["responses"] |= {
        str(code): {"$ref": f"#/components/responses/Error{code}"} for code in sorted(codes)
    }
    needs = "admin" if access_of(current_app, view) == "admin" else "read" if method == "get" else "write"
    operation["description"] = (
        f"{operation.get('description', '')}\n\nNeeds a token with the scope `{needs}`.".strip()
    )
    operation["x-scope"] = needs


def _view(path: str, method: str) -> str:
    rule = re.sub(r"\{([a-z_]+)\}", r"<\1>", path)
    return next(
        str(one.endpoint)
        for one in current_app.url_map.iter_rules()
        if one.rule == rule and method.upper() in (one.methods or ())
    )


# ------------------------------------------------------------------------------------------ for the page


def operations(said: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation), as the page lists them."""
    return [
        (method.upper(), path.removeprefix(PREFIX), operation)
        for path, steps in sorted(said["paths"].items())
        for method, operation in steps.items()
    ]


def pretty(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def resolver(said: dict[str, Any]) -> Any:
    """A function from a schema, or a reference to one, to the schema."""

    def resolve(schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        return cast("dict[str, Any]", said["components"]["schemas"][name]) if name else schema

    return resolve
