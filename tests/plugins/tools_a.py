"""More helpdesks over a real socket: Freshdesk, Intercom, Zammad, Chatwoot, FreeScout, Front."""

import json
from datetime import datetime
from typing import Any

from tests.plugins.tools import Asked, Said, Tool, iso


class FreshdeskTool(Tool):
    """Ratings, tickets with their stats, conversations, articles and agents; more pages are told by the Link header."""

    size = 2
    authorization = "Basic a2V5Olg="  # key:X

    def __init__(self) -> None:
        super().__init__()
        self.ratings: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.conversations: dict[str, list[dict[str, Any]]] = {}
        self.articles: list[dict[str, Any]] = []
        self.agents: list[dict[str, Any]] = []

    def rate(self, number: int, value: int, at: datetime, feedback: str | None = None, **more: Any) -> None:
        rating = {"id": number, "survey_id": 1, "user_id": 500 + number, "agent_id": 77, "group_id": None}
        said = {"ratings": {"default_question": value}, "feedback": feedback, "ticket_id": number}
        times = {"created_at": iso(at), "updated_at": iso(at)}
        self.ratings.append({**rating, **said, **times, **more})

    def change(self, number: int, at: datetime, *, stats: dict[str, Any] | None = None, **more: Any) -> None:
        ticket = {"id": number, "status": 2, "responder_id": 77, "requester_id": 500, "tags": []}
        times = {"created_at": iso(at), "updated_at": iso(at), "due_by": None, "stats": stats or {}}
        self.tickets.append({**ticket, "spam": False, **times, **more})

    def write(self, ticket: int, number: int, author: int, at: datetime, **more: Any) -> None:
        note = {"id": number, "user_id": author, "ticket_id": ticket, "incoming": False, "private": False}
        words = {"source": 0, "body": "<div>Words</div>", "body_text": "Words", "created_at": iso(at)}
        self.conversations.setdefault(str(ticket), []).append({**note, **words, **more})

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"code": "invalid_credentials"}, status=401)
        path, query = asked.path.removeprefix("/api/v2/"), asked.query
        parts = path.split("/")
        if path == "surveys/satisfaction_ratings":
            # newest first: the documentation names no order
            chosen = [r for r in self.ratings if str(r.get("created_at", "9")) >= query["created_since"]]
            return self._page(asked, list(reversed(chosen)))
        if path == "tickets":
            assert (query["order_by"], query["order_type"], query["include"]) == (
                "updated_at",
                "asc",
                "stats",
            )
            chosen = [t for t in self.tickets if t["updated_at"] >= query["updated_since"]]
            return self._page(asked, sorted(chosen, key=lambda ticket: str(ticket["updated_at"])))
        if parts[0] == "tickets" and parts[2:] == ["conversations"]:
            return self._page(asked, self.conversations.get(parts[1], []))
        if path == "solutions/folders/5/articles":
            return self._page(asked, self.articles)
        if path == "agents":
            return self._page(asked, self.agents)
        return Said({"code": "not_found"}, status=404)

    def _page(self, asked: Asked, items: list[dict[str, Any]]) -> Said:
        size, page = min(self.size, int(asked.query["per_page"])), int(asked.query.get("page", 1))
        shown = items[(page - 1) * size : page * size]
        more = len(items) > page * size
        link = {"Link": f'<https://elsewhere.example/api?page={page + 1}>; rel="next"'} if more else {}
        return Said(shown, headers=link)


class IntercomTool(Tool):
    """Searches of conversations and tickets in no order, articles with the latest change first, and admins."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.conversations: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.articles: list[dict[str, Any]] = []
        self.admins: list[dict[str, Any]] = []

    def converse(self, number: int, at: datetime, **more: Any) -> None:
        seconds = int(at.timestamp())
        conversation = {
            "type": "conversation",
            "id": str(number),
            "created_at": seconds - 60,
            "state": "open",
        }
        contacts = {"type": "contact.list", "contacts": [{"type": "contact", "id": f"contact-{number}"}]}
        whose = {"updated_at": seconds, "admin_assignee_id": 77, "contacts": contacts}
        unset = {
            "statistics": None,
            "conversation_rating": None,
            "custom_attributes": {},
            "sla_applied": None,
        }
        self.conversations.append({**conversation, **whose, **unset, **more})

    def rate(self, number: int, value: int, at: datetime, remark: str | None = None, **more: Any) -> None:
        seconds = int(at.timestamp())
        rating = {"rating": value, "remark": remark, "created_at": seconds - 600, "updated_at": seconds}
        teammate = {"type": "admin", "id": 77}
        self.converse(number, at, conversation_rating={**rating, "teammate": teammate, **more})

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "Bearer token" or "Intercom-Version" not in asked.headers:
            return Said({"type": "error.list", "errors": [{"code": "unauthorized"}]}, status=401)
        if asked.path == "/admins":
            return Said({"type": "admin.list", "admins": self.admins})
        if asked.path == "/articles":
            page = int(asked.query["page"])
            newest = sorted(self.articles, key=lambda article: -article["updated_at"])
            shown = newest[(page - 1) * self.size : page * self.size]
            pages = {"type": "pages", "page": page, "total_pages": -(-len(newest) // self.size)}
            return Said({"type": "list", "data": shown, "pages": pages})
        name = asked.path.strip("/").split("/")[0]
        if asked.method != "POST" or asked.path not in ("/conversations/search", "/tickets/search"):
            return Said({"type": "error.list"}, status=404)
        wanted = json.loads(asked.body)
        assert (wanted["query"]["field"], wanted["query"]["operator"]) == ("updated_at", ">")
        listed = self.conversations if name == "conversations" else self.tickets
        found = [item for item in listed if item["updated_at"] >= wanted["query"]["value"]]
        begin = int(wanted["pagination"].get("starting_after", "0"))
        following = {"page": 2, "starting_after": str(begin + self.size)}
        pages = {"type": "pages", "next": following if begin + self.size < len(found) else None}
        return Said({"type": "list", name: found[begin : begin + self.size], "pages": pages})


class ZammadTool(Tool):
    """The search for changes and tags, articles, users and the knowledge base; lists end with an empty page."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[dict[str, Any]] = []
        self.articles: dict[str, list[dict[str, Any]]] = {}
        self.users: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}

    def change(self, number: int, at: datetime, **more: Any) -> None:
        ticket = {
            "id": number,
            "number": f"22{number:03}",
            "state": "open",
            "owner_id": 77,
            "customer_id": 500,
        }
        times = {"created_at": iso(at), "updated_at": iso(at), "close_at": None, "tags": []}
        self.tickets.append({**ticket, "owner": "ana@example.com", **times, **more})

    def write(self, ticket: int, number: int, author: int, at: datetime, **more: Any) -> None:
        article = {"id": number, "ticket_id": ticket, "created_by_id": author, "created_at": iso(at)}
        form = {"internal": False, "sender": "Agent", "content_type": "text/plain", "body": "Words"}
        self.articles.setdefault(str(ticket), []).append({**article, **form, **more})

    def thank(self, number: int, at: datetime, words: str) -> None:
        self.change(number, at, tags=["thanks"], customer_id=500 + number)
        self.write(number, number * 10, 500 + number, at, sender="Customer", body=words)

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "Token token=token":
            return Said({"error": "Authentication required"}, status=403)
        path, query = asked.path.removeprefix("/api/v1/"), asked.query
        if path == "users/me":
            return Said({"id": 2})
        if path == "tickets/search":
            assert (query["sort_by"], query["order_by"], query["expand"]) == ("updated_at", "asc", "true")
            terms, _, since = query["query"].partition("updated_at:[")
            chosen = [t for t in self.tickets if t["updated_at"] >= since.removesuffix(" TO *]")]
            if terms:
                assert terms == 'tags:"thanks" AND '
                chosen = [ticket for ticket in chosen if "thanks" in ticket["tags"]]
            return self._page(query, sorted(chosen, key=lambda ticket: str(ticket["updated_at"])))
        if path.startswith("ticket_articles/by_ticket/"):
            return Said(self.articles.get(path.rpartition("/")[2], []))
        if path == "users":
            return self._page(query, self.users)
        if path == "knowledge_bases/init" and asked.method == "POST":
            return Said({"KnowledgeBase": {}, "KnowledgeBaseAnswer": self.answers})
        return Said({"error": "No route matches"}, status=404)

    def _page(self, query: dict[str, str], items: list[dict[str, Any]]) -> Said:
        size, page = min(self.size, int(query["per_page"])), int(query["page"])
        return Said(items[(page - 1) * size : page * size])


class ChatwootTool(Tool):
    """Survey answers (`since` counts only beside `until`), agents and articles; lists end with an empty page."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[dict[str, Any]] = []
        self.agents: list[dict[str, Any]] = []
        self.articles: list[dict[str, Any]] = []

    def rate(self, number: int, rating: int, at: datetime, words: str = "", **more: Any) -> None:
        answer = {"id": len(self.answers) + 1, "rating": rating, "feedback_message": words, "account_id": 1}
        about = {
            "message_id": number,
            "conversation_id": number,
            "contact": {"id": 500 + number, "name": "Ito"},
        }
        agent = {"id": 77, "email": "ana@example.com", "name": "Ana", "confirmed": True}
        self.answers.append(
            {**answer, **about, "assigned_agent": agent, "created_at": int(at.timestamp()), **more}
        )

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("api_access_token") != "token":
            return Said({"error": "Invalid Access Token"}, status=401)
        path, query = asked.path.removeprefix("/api/v1/accounts/1/"), asked.query
        if path == "agents":
            return Said(self.agents)
        if path == "portals/help/articles":
            return Said({"payload": self._page(query, self.articles), "meta": {"all_articles_count": 9}})
        if path == "csat_survey_responses":
            begin, end = int(query["since"]), int(query["until"])
            chosen = [each for each in self.answers if begin <= int(each["created_at"]) < end]
            return Said(self._page(query, sorted(chosen, key=lambda each: int(each["created_at"]))))
        return Said({"error": "Resource could not be found"}, status=404)

    def _page(self, query: dict[str, str], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        page = int(query["page"])
        return items[(page - 1) * self.size : page * self.size]


class FreeScoutTool(Tool):
    """Conversations with their threads and tags by their last change, and users; pages are numbered."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.conversations: list[dict[str, Any]] = []
        self.users: list[dict[str, Any]] = []

    def thank(self, number: int, at: datetime, words: str) -> None:
        customer, user = {"id": 500 + number, "type": "customer"}, {"id": 77, "type": "user"}
        thread = {"id": number, "type": "customer", "createdBy": customer, "createdAt": iso(at)}
        inside = {
            "threads": [{**thread, "body": f"<div>{words}</div>"}],
            "tags": [{"id": 1, "name": "thanks"}],
        }
        conversation = {"id": number, "status": "active", "assignee": user, "customer": customer}
        self.conversations.append(
            {**conversation, "updatedAt": iso(at), "closedAt": None, "_embedded": inside}
        )

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("X-FreeScout-API-Key") != "key":
            return Said({"message": "Not Authorized"}, status=401)
        name, query = asked.path.removeprefix("/api/"), asked.query
        if name == "users":
            return self._page(query, name, self.users)
        if name == "conversations":
            assert query["embed"] == "threads,tags"
            chosen = [each for each in self.conversations if each["updatedAt"] >= query["updatedSince"]]
            return self._page(query, name, sorted(chosen, key=lambda each: str(each["updatedAt"])))
        return Said({"message": "Not Found"}, status=404)

    def _page(self, query: dict[str, str], name: str, items: list[dict[str, Any]]) -> Said:
        page = int(query.get("page", 1))
        shown = items[(page - 1) * self.size : page * self.size]
        pages = {"size": self.size, "totalElements": len(items), "totalPages": -(-len(items) // self.size)}
        return Said({"_embedded": {name: shown}, "page": {**pages, "number": page}})


class FrontTool(Tool):
    """Events, the newest first, and teammates; the next page's address names another host of Front's."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.teammates: list[dict[str, Any]] = []

    def happen(self, number: int, kind: str, at: datetime, **more: Any) -> None:
        conversation = {"id": f"cnv_{number}", "assignee": {"id": "tea_77"}, "custom_fields": {}}
        event = {"id": f"evt_{len(self.events)}", "type": kind, "emitted_at": at.timestamp()}
        self.events.append({**event, "conversation": conversation, "source": None, "target": None, **more})

    def thank(self, number: int, at: datetime, words: str) -> None:
        said = {"last_message": {"is_inbound": True, "text": words}, "assignee": {"id": "tea_77"}}
        tag = {"_meta": {"type": "tag"}, "data": {"id": "tag_1", "name": "thanks"}}
        self.happen(number, "tag", at, conversation={"id": f"cnv_{number}", **said}, target=tag)

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "Bearer token":
            return Said({"_error": {"status": 401, "title": "Unauthenticated"}}, status=401)
        if asked.path == "/teammates":
            return self._page(asked, self.teammates)
        if asked.path == "/events":
            assert "archive" in asked.query["q[types][]"]
            after = int(asked.query["q[after]"])
            chosen = [event for event in self.events if event["emitted_at"] > after]
            return self._page(asked, sorted(chosen, key=lambda event: -float(event["emitted_at"])))
        return Said({"_error": {"status": 404, "title": "Not found"}}, status=404)

    def _page(self, asked: Asked, items: list[dict[str, Any]]) -> Said:
        begin = int(asked.query.get("page_token", "0"))
        more = begin + self.size < len(items)
        following = (
            f"https://acme.api.frontapp.com{asked.path}?page_token={begin + self.size}" if more else None
        )
        return Said({"_pagination": {"next": following}, "_results": items[begin : begin + self.size]})
