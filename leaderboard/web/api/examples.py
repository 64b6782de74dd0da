"""The examples of the API's description. A test sends every one of them and compares what comes back with its schema."""

from typing import Any

ANA = {"id": "5f0c6a2b9d5e4b0f8a7c3e1d2b4f6a80", "handle": "ana", "name": "Ana"}
BEN = {"id": "0b1d9a1e7c2f4c68b9d3a5e7f1c2d4b6", "handle": "ben", "name": "Ben"}
CARE = {"slug": "care", "name": "Care", "timezone": "Europe/Berlin"}
STORY_ID = "8d1f6c0a4b7e4d2f9a3c5b7d9e1f2a40"
PROMISE_ID = "c0a1f4b29e7d4c3b8a5f6e7d8c9b0a12"
PARAMETERS = {"person": "ana", "story": STORY_ID, "promise": PROMISE_ID, "week": "2026-W47", "delivery": "1"}
"""What stands in an address, by name."""

STANDINGS: dict[str, Any] = {
    "period": "2026-W47",
    "team": None,
    "guideline": None,
    "closed": False,
    "standings": [{"rank": 1, "person": ANA, "points": 18}, {"rank": 2, "person": BEN, "points": 10}],
    "next": None,
}
PERSON: dict[str, Any] = ANA | {"team": CARE, "role": "member", "email": None, "joined_on": None}
PEOPLE: dict[str, Any] = {"people": [PERSON], "next": None}
POINTS: dict[str, Any] = {
    "person": ANA,
    "total": 8,
    "entries": [
        {
            "at": "2026-11-18T11:40:00Z",
            "kind": "thanks.received",
            "points": 8,
            "full_points": 8,
            "why": "Counts in full.",
            "week": "2026-W47",
            "guideline": "relationships",
            "source": "standard",
            "evidence": {
                "entry": 1,
                "customer": "Mr Ito",
                "key": "thanks.received/csat-991",
                "ticket": "4711",
                "object": "rating/4711/5c1f0a6e",
                "text": "She found our luggage!",
                "occurred_at": "2026-11-18T11:40:00+00:00",
            },
            "reverses": None,
        }
    ],
    "next": None,
}

STORY_IN: dict[str, Any] = {
    "nominees": ["ben@example.com"],
    "guideline": "above-and-beyond",
    "story": (
        "A family's suitcase had gone to the wrong city the day before a wedding. Ben stayed until ten, found a tailor "
        "who was still open and carried the shirts there himself."
    ),
    "customer": "The Okafor family",
    "happened_on": "2026-11-17",
}
STORY_WAITING: dict[str, Any] = {
    "id": STORY_ID,
    "url": f"/stories/{STORY_ID}",
    "nominees": [BEN],
    "nominator": ANA,
    "guideline": "above-and-beyond",
    "story": STORY_IN["story"],
    "customer": "The Okafor family",
    "happened_on": "2026-11-17",
    "told_at": "2026-11-18T12:00:00Z",
    "state": "waiting",
    "points": 0,
    "co_signs": 0,
    "co_signed": False,
}
STORY = STORY_WAITING | {"state": "accepted", "points": 10}
STORY_DECLINED = STORY_WAITING | {"state": "declined"}
STORY_WITHDRAWN = STORY_WAITING | {"state": "withdrawn"}
STORY_CO_SIGNED = STORY | {"points": 11, "co_signs": 1, "co_signed": True, "customer": None}
STORIES: dict[str, Any] = {"stories": [STORY], "next": None}
DECLINE: dict[str, Any] = {"reason": "It says how Ben was, not yet what he did and for whom. Tell us?"}

PROMISE_IN: dict[str, Any] = {
    "what": "Find the blue suitcase and have it brought to the hotel",
    "due_at": "2026-11-19T17:00:00Z",
    "customer": "Mr Ito",
    "ticket": "4711",
    "contact": "Ana",
    "contact_at": "2026-11-19T09:00:00Z",
    "authorised_by": "Lea",
}
PROMISE: dict[str, Any] = PROMISE_IN | {
    "id": PROMISE_ID,
    "url": f"/promises/{PROMISE_ID}",
    "maker": ANA,
    "made_at": "2026-11-18T12:00:00Z",
    "state": "open",
    "kept_at": None,
    "note": None,
    "confirmed_as": None,
    "source": "extra-mile",
}
PROMISES: dict[str, Any] = {"promises": [PROMISE], "next": None}
KEEP: dict[str, Any] = {"note": "It stands in his room; he called to say so."}
PROMISE_KEPT = PROMISE | {"state": "kept", "kept_at": "2026-11-18T12:30:00Z", "note": KEEP["note"]}
PROMISE_CONFIRMED = PROMISE_KEPT | {"confirmed_as": "colleague", "customer": None, "ticket": None}
MOVE: dict[str, Any] = {
    "due_at": "2026-11-20T12:00:00Z",
    "told": True,
    "reason": "The suitcase is on a later flight.",
}
PROMISE_MOVED = PROMISE | {"due_at": MOVE["due_at"]}

THANKS: dict[str, Any] = {
    "thanks": [
        {
            "id": 1,
            "said_at": "2026-11-18T11:40:00Z",
            "text": "She found our luggage!",
            "person": ANA,
            "guideline": "relationships",
            "source": "standard",
            "customer": "Mr Ito",
            "url": None,
        }
    ],
    "next": None,
}

TEAM_WEEK: dict[str, Any] = {
    "team": "care",
    "state": "announced",
    "closed_at": "2026-11-16T08:00:12Z",
    "announced_at": "2026-11-16T08:31:40Z",
    "winners": [
        {
            "category": "above-and-beyond",
            "person": BEN,
            "points": 12,
            "witnesses": 3,
            "reason": "12 points from 3 different witnesses.",
            "words": "Ana told us: “Ben stayed until ten and carried the shirts there himself.”",
            "story": STORY_ID,
        }
    ],
}
WEEKS: dict[str, Any] = {"weeks": [{"week": "2026-W46", "teams": [TEAM_WEEK]}], "next": None}
WEEK: dict[str, Any] = {
    "week": "2026-W47",
    "provisional": True,
    "teams": [
        {"team": "care", "state": "open", "closed_at": None, "announced_at": None, "winners": []},
    ],
    "standings": [{"rank": 1, "person": ANA, "points": 18}],
}

DELIVERIES: dict[str, Any] = {
    "deliveries": [
        {
            "id": 1,
            "source": "standard",
            "received_at": "2026-11-18T11:40:02Z",
            "state": "failed",
            "reason": "data.agent: thanks.received needs data.agent",
            "events": 0,
            "repeated": 0,
            "attempts": 1,
            "next_try_at": "2026-11-18T11:41:02Z",
        }
    ],
    "next": None,
}
REPLAYED: dict[str, Any] = {"delivery": 1, "state": "done", "events": 0, "repeated": 1, "reason": None}
HEALTH: dict[str, Any] = {
    "status": "ok",
    "problems": [],
    "database": {"version": "SQLite 3.53.4", "writable": True, "affected": False},
    "oldest_pending_seconds": None,
    "clock_seconds": 4,
    "failing_pulls": 0,
    "failing_jobs": [],
    "audit_failed": False,
    "audited_seconds": 36_000,
}
