"""A helpdesk with a long list of ratings, in a process of its own: pages of a hundred, as Demo Desk's API answers them.

`/tell?until=N` lets the first N ratings have happened.
"""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIRST = datetime(2026, 10, 5, tzinfo=UTC)
APART = timedelta(seconds=36)
PAGE = 100
AGENTS = 20


def fact(number: int) -> dict[str, Any]:
    """The `number`th rating: each of its own ticket and customer, every third with words."""
    said = {
        "id": number + 1,
        "what": "good",
        "agent": f"p{number % AGENTS}@example.com",
        "ticket": str(number + 1),
    }
    if number % 3 == 0:
        said |= {"what": "thanks", "words": "She found our luggage, and rang to say so!"}
    return said | {"customer": f"customer-{number}", "at": f"{FIRST + APART * number:%Y-%m-%dT%H:%M:%SZ}"}


class Desk(BaseHTTPRequestHandler):
    """Answers `/facts?since=…&from=…` and an empty `/agents`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    until = 0

    def do_GET(self) -> None:
        """One page."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/tell":
            Desk.until = int(query["until"])
        since = datetime.fromisoformat(query["since"]) if "since" in query else FIRST
        begin = int(query.get("from", max(0, -((FIRST - since) // APART))))
        end = min(begin + PAGE, Desk.until)
        more = f"http://{self.headers['Host']}/facts?from={end}" if end < Desk.until else None
        shown = {"facts": [fact(number) for number in range(begin, end)], "agents": [], "next": more}
        body = json.dumps(shown if url.path == "/facts" else {"agents": [], "next": None}).encode()
        self.send_response_only(200)
        self.send_header("Date", format_datetime(FIRST + APART * Desk.until, usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
