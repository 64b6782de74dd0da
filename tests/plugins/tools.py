"""Helpdesks over a real socket: they answer as their documentation says, and can be told to misbehave."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """A request as the tool saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Said:
    """An answer: its JSON, or raw bytes; `date` and `length` may lie."""

    json: Any = None
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    @property
    def body(self) -> bytes:
        return json.dumps(self.json).encode() if self.raw is None else self.raw


class Tool:
    """A helpdesk at `address`. It remembers what it was asked; `misbehaves` may answer in its place."""

    def __init__(self) -> None:
        self.now: datetime | None = NOW
        self.asked: list[Asked] = []
        self.misbehaves: Callable[[Asked], Said | None] = lambda asked: None
        self.address = ""
        self.port = 0  # any

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    @contextmanager
    def running(self) -> Iterator["Tool"]:
        tool = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer leaves in one piece: two would wait 40 ms for each other

            def _serve(self) -> None:
                url = urlsplit(self.path)
                query = {name: ",".join(values) for name, values in parse_qs(url.query).items()}
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, url.path, query, dict(self.headers), body)
                tool.asked.append(asked)
                said = tool.misbehaves(asked) or tool.answer(asked)
                self.send_response_only(said.status)
                if tool.now:
                    self.send_header("Date", format_datetime(tool.now, usegmt=True))
                headers = {"Content-Type": "application/json", **said.headers}
                headers["Content-Length"] = str(len(said.body) if said.length is None else said.length)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body)
                if said.length is not None:
                    self.close_connection = True

            do_GET = do_POST = _serve  # noqa: N815  (http.server's names)

            def log_message(self, *_: Any) -> None:
                """Quiet: what was asked stands in `asked`."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class ZendeskTool(Tool):
    """Ratings and surveys by cursor, the incremental exports (without the last minute), tickets and users by number."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.ratings: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.users: list[dict[str, Any]] = []
        self.surveys: list[dict[str, Any]] = []
        self.ticket_events: list[dict[str, Any]] = []
        self.ticket_metric_events: list[dict[str, Any]] = []
        self.articles: list[dict[str, Any]] = []

    def rate(self, ticket: int, score: str, at: datetime, comment: str | None = None, **more: Any) -> None:
        rating = {
            "id": len(self.ratings) + 1,
            "url": "https://…",
            "assignee_id": 7,
            "group_id": 1,
            "requester_id": 900 + ticket,
        }
        self.ratings.append(
            {
                **rating,
                "ticket_id": ticket,
                "score": score,
                "comment": comment,
                "created_at": iso(at),
                "updated_at": iso(at),
                **more,
            }
        )

    def change(self, ticket: int, status: str, at: datetime, **more: Any) -> None:
        self.tickets.append({"id": ticket, "status": status, "assignee_id": 7, "updated_at": iso(at), **more})

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/api/v2/satisfaction_ratings.json":
            start = datetime.fromtimestamp(int(asked.query.get("start_time", 0)), UTC)
            chosen = [r for r in self.ratings if str(r.get("updated_at", "9")) >= iso(start)]
            if asked.query.get("score") == "received":
                chosen = [r for r in chosen if r["score"] != "offered"]
            return self._page("satisfaction_ratings", chosen, asked)
        if asked.path == "/api/v2/users.json":
            assert asked.query["role[]"] == "agent,admin"
            return self._page("users", self.users, asked)
        if asked.path == "/api/v2/incremental/tickets/cursor.json":
            begin = (
                asked.query.get("cursor")
                or iso(datetime.fromtimestamp(int(asked.query["start_time"]), UTC)) + "|"
            )
            until = iso((self.now or NOW) - timedelta(minutes=1))
            rows = sorted((f"{t['updated_at']}|{i:06}", t) for i, t in enumerate(self.tickets))
            rows = [row for row in rows if row[0] > begin and row[1]["updated_at"] <= until]
            page = rows[: self.size]
            after = page[-1][0] if page else asked.query.get("cursor")
            return Said(
                {
                    "tickets": [ticket for _, ticket in page],
                    "after_cursor": after,
                    "after_url": f"https://elsewhere.example/?cursor={after}",
                    "before_cursor": None,
                    "end_of_stream": len(rows) <= self.size,
                }
            )
        if asked.path == "/api/v2/guide/survey_responses":
            wanted = set(asked.query["filter[subject_zrns]"].split(","))
            chosen = [s for s in self.surveys if wanted & {about["zrn"] for about in s["subjects"]}]
            return self._page("survey_responses", chosen, asked)
        if asked.path in ("/api/v2/tickets/show_many.json", "/api/v2/users/show_many.json"):
            name = asked.path.split("/")[3]
            wanted, rows = (
                set(asked.query["ids"].split(",")),
                self.tickets if name == "tickets" else self.users,
            )
            assert len(wanted) <= 100
            return Said({name: [row for row in rows if str(row["id"]) in wanted]})
        if asked.path == "/api/v2/users/me.json":
            return Said({"user": {"id": 1, "role": "admin"}})
        name = asked.path.rpartition("/")[2].removesuffix(".json")
        if "incremental" in asked.path and name in ("ticket_events", "ticket_metric_events", "articles"):
            return self._since(name, int(asked.query["start_time"]))
        return Said({"error": "RecordNotFound"}, status=404)

    def _since(self, name: str, begin: int) -> Said:
        """An export by time: from this second on, without the last minute; a page ends with a whole second."""
        fields = {"ticket_metric_events": "time", "articles": "updated_at", "ticket_events": "created_at"}
        until = (self.now or NOW) - timedelta(minutes=1)
        rows = sorted(
            (datetime.fromisoformat(row[fields[name]]), i) for i, row in enumerate(getattr(self, name))
        )
        rows = [row for row in rows if row[0].timestamp() >= begin and row[0] <= until]
        again = sum(
            row[0].timestamp() == begin for row in rows
        )  # of the second in which the page before ended
        last = rows[: self.size + again][-1][0] if rows else None
        page = [row for row in rows if last and row[0] <= last]
        shown = [getattr(self, name)[i] for _, i in page]
        end = int(last.timestamp()) if last else None
        full = len(page) < len(rows)
        return Said(
            {name: shown, "count": len(page), "end_time": end, "next_page": "…", "end_of_stream": not full}
        )

    def _page(self, name: str, items: list[dict[str, Any]], asked: Asked) -> Said:
        begin = int(asked.query.get("page[after]", 0))
        page = items[begin : begin + self.size]
        more = begin + self.size < len(items)
        meta = {
            "has_more": more,
            "after_cursor": str(begin + len(page)) if page else None,
            "before_cursor": None,
        }
        return Said({name: page, "meta": meta, "links": {"next": "https://elsewhere.example/next"}})


class HelpScoutTool(Tool):
    """The token of the client credentials flow, the happiness ratings report, conversations, users, and the Docs' own API."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.ratings: list[dict[str, Any]] = []
        self.users: list[dict[str, Any]] = []
        self.conversations: list[dict[str, Any]] = []
        self.articles: list[dict[str, Any]] = []

    def rate(self, thread: int, value: int, at: datetime, comments: str = "", **more: Any) -> None:
        rating = {
            "number": 222043,
            "threadid": thread,
            "threadCreatedAt": iso(at),
            "id": 432207336,
            "type": "email",
        }
        said = {
            "ratingId": value,
            "ratingCustomerId": 500,
            "ratingComments": comments,
            "ratingCreatedAt": iso(at),
        }
        names = {"ratingCustomerName": "Ito", "ratingUserId": 69013, "ratingUserName": "Ana Alvarez"}
        self.ratings.append({**rating, **said, **names, **more})

    def publish(self, number: str, at: datetime, **more: Any) -> None:
        article = {"id": number, "status": "published", "createdBy": 69013, "lastPublishedAt": iso(at)}
        self.articles.append(
            {**article, "updatedAt": iso(at), "publicUrl": "https://docs.example.com/a", **more}
        )

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/v2/oauth2/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            if form == {
                "grant_type": "client_credentials",
                "client_id": "app",
                "client_secret": "app-secret",
            }:
                return Said({"token_type": "bearer", "access_token": "a-token", "expires_in": 172800})
            return Said({"error": "invalid_client"}, status=401)
        if asked.path.startswith("/v1/collections"):
            if asked.headers.get("Authorization") != "Basic ZG9jcy1rZXk6WA==":  # docs-key:X
                return Said({"error": "unauthorized"}, status=401)
            name = "articles" if asked.path.endswith("/articles") else "collections"
            rows = sorted(self.articles, key=lambda each: str(each["updatedAt"]), reverse=True)
            rows = rows if name == "articles" else [{"id": "c1", "name": "Lost and found"}]
            here = int(asked.query["page"])
            shown = rows[(here - 1) * self.size : here * self.size]
            return Said({name: {"page": here, "pages": -(-len(rows) // self.size), "items": shown}})
        if asked.headers.get("Authorization") != "Bearer a-token":
            return Said({"error": "unauthorized"}, status=401)
        page = int(asked.query["page"])
        if asked.path == "/v2/reports/happiness/ratings":
            assert asked.query["rating"] == "all"
            chosen = [
                r for r in self.ratings if asked.query["start"] <= r["ratingCreatedAt"] <= asked.query["end"]
            ]
            shown = chosen[(page - 1) * self.size : page * self.size]
            return Said(
                {
                    "facets": {},
                    "results": shown,
                    "page": page,
                    "count": len(chosen),
                    "pages": -(-len(chosen) // self.size),
                }
            )
        if asked.path in ("/v2/users", "/v2/conversations"):
            name, rows = "users", self.users
            if asked.path == "/v2/conversations":
                assert (asked.query["status"], asked.query["embed"]) == ("all", "threads")
                since = asked.query["modifiedSince"]
                rows = [row for row in self.conversations if row["userUpdatedAt"] >= since]
                rows.sort(
                    key=lambda row: str(row["userUpdatedAt"]), reverse=asked.query["sortOrder"] == "desc"
                )
                name = "conversations"
            shown = rows[(page - 1) * self.size : page * self.size]
            pages = {"size": self.size, "totalElements": len(rows), "number": page}
            return Said(
                {"_embedded": {name: shown}, "page": {**pages, "totalPages": -(-len(rows) // self.size)}}
            )
        return Said({"error": "not found"}, status=404)


class DemoTool(Tool):
    """Demo Desk's own API."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[dict[str, Any]] = []
        self.agents: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "Bearer demo-token":
            return Said({"error": "unauthorized"}, status=401)
        name = asked.path.strip("/")
        chosen = (
            self.agents
            if name == "agents"
            else [f for f in self.facts if f.get("at", "9") >= asked.query["since"]]
        )
        begin = int(asked.query.get("from", 0))
        following = f"{self.address}/{name}?from={begin + self.size}&since={asked.query.get('since', '')}"
        more = begin + self.size < len(chosen)
        return Said({name: chosen[begin : begin + self.size], "next": following if more else None})
