"""An unhappy rating, Ana's answer and a happy rating, as each tool sends them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.plugins.tools import iso

ANA = "77"
"""Ana's account in every tool."""

Sent = list[tuple[Any, dict[str, str]]]
"""Bodies, and the headers besides the signature."""


def moments(at: datetime) -> tuple[datetime, datetime, datetime]:
    return at, at + timedelta(minutes=10), at + timedelta(minutes=20)


def demo(at: datetime) -> Sent:
    base = {"agent": ANA, "ticket": "9", "customer": "ito"}
    told = zip(("bad", "reply", "thanks"), (5, 6, 5), moments(at), strict=True)
    return [
        ({**base, "what": what, "id": number, "words": "Words", "at": iso(moment)}, {})
        for what, number, moment in told
    ]


def standard(at: datetime) -> Sent:
    data = {"agent": ANA, "ticket": "9", "customer": "ito"}
    told = zip(("rating.bad", "ticket.replied", "thanks.received"), moments(at), strict=True)
    return [
        ({"type": kind, "timestamp": iso(moment), "data": {**data, "key": kind}}, {}) for kind, moment in told
    ]


def zendesk(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    rating = {"extra_mile": "rating", "ticket": "9", "agent": ANA, "customer": "5", "comment": "Words"}
    detail = {"id": "9", "assignee_id": ANA, "requester_id": "5"}
    comment = {"id": "1", "is_public": True, "author": {"id": ANA, "is_staff": True}}
    reply = {"type": "zen:event-type:ticket.comment_added", "time": iso(replied), "detail": detail}
    return [
        ({**rating, "rating": "bad", "at": iso(bad)}, {}),
        ({**reply, "event": {"comment": comment}}, {}),
        ({**rating, "rating": "good", "at": iso(good)}, {}),
    ]


def help_scout(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    rated = {"conversationId": 9, "customer": {"id": 5}, "user": {"id": int(ANA)}, "comments": "Words"}
    author = {"id": int(ANA), "type": "user"}
    thread = {"id": 2, "type": "reply", "author": author, "createdAt": iso(replied)}
    name = "X-HelpScout-Event"
    ratings = {name: "satisfaction.ratings"}
    return [
        ({**rated, "threadId": 1, "rating": "not_good", "createdAt": iso(bad)}, ratings),
        ({"id": 9, "threads": [thread]}, {name: "convo.agent.reply.created"}),
        ({**rated, "threadId": 2, "rating": "great", "createdAt": iso(good)}, ratings),
    ]


def intercom(at: datetime) -> Sent:
    bad, replied, good = (int(moment.timestamp()) for moment in moments(at))
    conversation = {"id": "9", "contacts": {"contacts": [{"id": "5"}]}, "admin_assignee_id": ANA}
    teammate = {"type": "admin", "id": ANA}

    def sent(topic: str, seconds: int, **more: Any) -> tuple[Any, dict[str, str]]:
        return {"topic": topic, "created_at": seconds, "data": {"item": {**conversation, **more}}}, {}

    def rated(value: int, seconds: int) -> tuple[Any, dict[str, str]]:
        rating = {"rating": value, "remark": "Words", "updated_at": seconds, "teammate": teammate}
        return sent("conversation.rating.added", seconds, conversation_rating=rating)

    part = {"id": "2", "part_type": "comment", "author": teammate, "created_at": replied}
    parts = {"conversation_parts": [part]}
    return [
        rated(2, bad),
        sent("conversation.admin.replied", replied, conversation_parts=parts),
        rated(5, good),
    ]


def zammad(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    told = {"ticket": "9", "agent": ANA, "customer": "5", "words": "Words"}
    ticket = {"id": 9, "owner_id": int(ANA), "state": "open", "updated_at": iso(replied)}
    article = {"id": 2, "internal": False, "sender": "Agent", "created_by_id": int(ANA)}
    return [
        ({**told, "extra_mile": "bad", "at": f"{bad:%Y-%m-%d %H:%M:%S} UTC"}, {}),
        ({"ticket": ticket, "article": {**article, "created_at": iso(replied)}}, {}),
        ({**told, "extra_mile": "thanks", "at": f"{good:%Y-%m-%d %H:%M:%S} UTC"}, {}),
    ]


def chatwoot(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    meta = {"sender": {"id": 5}, "assignee": {"id": int(ANA)}, "assignee_type": "User"}

    def rated(value: int, moment: datetime) -> tuple[Any, dict[str, str]]:
        answer = {"csat_survey_response": {"rating": value, "feedback_message": "Words"}}
        conversation = {"id": 9, "meta": meta, "updated_at": moment.timestamp()}
        survey = {"content_type": "input_csat", "content_attributes": {"submitted_values": answer}}
        return {"event": "message_updated", "id": 1, **survey, "conversation": conversation}, {}

    answer = {"message_type": "outgoing", "private": False, "sender": {"id": int(ANA), "type": "user"}}
    message = {"event": "message_created", "id": 2, "created_at": iso(replied), **answer}
    return [rated(1, bad), ({**message, "conversation": {"id": 9, "meta": meta}}, {}), rated(5, good)]


def freescout(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    customer, user = {"id": 5, "type": "customer"}, {"id": int(ANA), "type": "user"}

    def thread(number: int, kind: str, moment: datetime, author: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": number,
            "type": kind,
            "createdBy": author,
            "createdAt": iso(moment),
            "body": "<p>Words</p>",
        }

    threads = [
        thread(1, "customer", bad, customer),
        thread(2, "message", replied, user),
        thread(3, "customer", good, customer),
    ]
    told = (("unhappy", threads[:1], bad), ("", threads[:2], replied), ("thanks", threads, good))
    return [
        (
            {"id": 9, "status": "active", "assignee": user, "customer": customer, "updatedAt": iso(moment)}
            | {"_embedded": {"threads": written, "tags": [{"id": 1, "name": tag}]}},
            {},
        )
        for tag, written, moment in told
    ]


def front(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    rule = {"_meta": {"type": "rule"}, "data": {"id": "rul_1"}}
    message = {"_meta": {"type": "message"}, "data": {"id": "msg_1", "author": {"id": ANA}}}
    tags = [{"_meta": {"type": "tag"}, "data": {"name": name}} for name in ("unhappy", "thanks")]
    conversation = {"id": "cnv_9", "assignee": {"id": ANA}, "recipient": {"handle": "ito@example.com"}}
    told = (("tag", bad, tags[0]), ("outbound", replied, message), ("tag", good, tags[1]))
    return [
        (
            {"id": f"evt_{moment.minute}", "type": kind, "emitted_at": moment.timestamp()}
            | {"conversation": conversation, "source": rule, "target": target},
            {},
        )
        for kind, moment, target in told
    ]


def servicenow(at: datetime) -> Sent:
    bad, replied, good = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments(at))
    number = f"{9:032x}"
    note = {"sys_id": f"{2:032x}", "element": "comments", "element_id": number, "sys_created_by": "ana"}
    ticket = {"sys_id": number, "state": "2", "assigned_to": ANA, "caller_id": "5", "sys_updated_on": replied}

    def rated(survey: int, value: str, moment: str) -> tuple[Any, dict[str, str]]:
        about = {"instance.task_id": number, "instance.task_id.assigned_to": ANA, "instance.user": "5"}
        answer = {"instance": f"{survey:032x}", "actual_value": value, "instance.taken_on": moment}
        return {"extra_mile": "rating", "rating": {**about, **answer}, "words": "Words"}, {}

    notes = [{**note, "sys_created_on": replied, "author": ANA}]
    return [
        rated(1, "1", bad),
        ({"extra_mile": "ticket", "ticket": ticket, "notes": notes}, {}),
        rated(2, "5", good),
    ]


def hubspot(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    rated = {"extra_mile": "rating", "ticket": "9", "agent": ANA, "customer": "ito@example.com"}
    told = {
        "subscriptionType": "ticket.propertyChange",
        "objectId": 9,
        "portalId": 4711042,
        "propertyName": "hs_last_message_sent_at",
    }
    return [
        ({**rated, "rating": "0", "at": iso(bad)}, {}),
        ([{**told, "propertyValue": str(int(replied.timestamp() * 1000))}], {}),
        ({**rated, "rating": "2", "words": "Words", "at": iso(good)}, {}),
    ]


def request_tracker(at: datetime) -> Sent:
    bad, replied, good = map(iso, moments(at))
    told = {"extra_mile": "transaction", "ticket": 9, "owner": ANA, "customers": ["5"], "customer": "5"}
    rated = {**told, "type": "CustomField", "field": "Satisfaction", "words": "Words", "by": "5"}
    return [
        ({**rated, "id": 1, "new": "Bad", "at": bad}, {}),
        ({**told, "id": 2, "type": "Correspond", "by": ANA, "at": replied}, {}),
        ({**rated, "id": 3, "new": "Good", "at": good}, {}),
    ]


def gorgias(at: datetime) -> Sent:
    bad, replied, good = moments(at)
    ticket = {"extra_mile": "ticket", "ticket": "9", "agent": ANA, "customer": "ito@example.com"}
    message = {"extra_mile": "message", "ticket": "9", "agent": ANA, "message": "2", "sender": ANA}
    return [
        ({**ticket, "score": "1", "scored_at": iso(bad)}, {}),
        ({**message, "from_agent": "True", "public": "True", "at": iso(replied)}, {}),
        ({**ticket, "score": "5", "words": "Words", "scored_at": iso(good)}, {}),
    ]


def django_helpdesk(at: datetime) -> Sent:
    bad, replied, good = (iso(moment) for moment in moments(at))
    written = [
        {
            "id": 1,
            "user": int(ANA),
            "comment": "We are at it.",
            "public": True,
            "date": iso(at - timedelta(hours=1)),
        },
        {"id": 2, "user": None, "message_id": "<1@x>", "comment": "Words", "public": True, "date": bad},
        {"id": 3, "user": 88, "comment": "#unhappy", "public": False, "date": bad},
        {"id": 4, "user": int(ANA), "comment": "We rang.", "public": True, "date": replied},
        {"id": 5, "user": None, "message_id": "<2@x>", "comment": "Words", "public": True, "date": good},
        {"id": 6, "user": 88, "comment": "#thanks", "public": False, "date": good},
    ]
    ticket = {"id": 9, "submitter_email": "ito@example.com", "assigned_to": int(ANA), "status": 1}
    told = [written[:number] for number in (3, 4, 6)]
    return [
        ({"ticket": {**ticket, "followup_set": one}, "queue_slug": "desk", "followup_id": len(one)}, {})
        for one in told
    ]


def frappe_helpdesk(at: datetime) -> Sent:
    bad, replied, good = map(iso, moments(at))
    ticket = {"name": 9, "creation": bad, "_assign": f'["{ANA}"]', "raised_by": "ito@example.com"}
    answer = {"name": "a1", "reference_name": "9", "sender": ANA, "creation": replied}
    words = {"feedback_rating": 1.0, "feedback_extra": "Words"}
    return [
        ({"extra_mile": "ticket", "doc": {**ticket, "modified": bad, "feedback_rating": 0.2}}, {}),
        ({"extra_mile": "answer", "doc": answer}, {}),
        ({"extra_mile": "ticket", "doc": {**ticket, "modified": good, **words}}, {}),
    ]


def crisp(at: datetime) -> Sent:
    bad, replied, good = (int(moment.timestamp() * 1000) for moment in moments(at))
    website, session = "42286ab3-b29a-4fde-8538-da0ae501d825", {"session_id": "session_9"}

    def sent(kind: str, at: int, **data: Any) -> tuple[Any, dict[str, str]]:
        return {"website_id": website, "event": kind, "data": {**session, **data}, "timestamp": at}, {}

    def said(at: int, by: str, kind: str, **more: Any) -> tuple[Any, dict[str, str]]:
        user = {"user_id": by, "type": "operator"}
        message = {"from": "operator", "type": kind, "fingerprint": at, "timestamp": at, "user": user}
        return sent("message:received", at, **message, **more)

    return [
        sent("session:sync:rating", bad, rating={"stars": 1, "comment": "Words"}),
        said(replied, ANA, "text", content="Words"),
        said(good, "88", "note", content="#thanks Words", mentions=[ANA]),
    ]


MENDING: dict[str, Callable[[datetime], Sent]] = {
    "demo": demo,
    "standard": standard,
    "zendesk": zendesk,
    "help_scout": help_scout,
    "intercom": intercom,
    "zammad": zammad,
    "chatwoot": chatwoot,
    "freescout": freescout,
    "front": front,
    "servicenow": servicenow,
    "crisp": crisp,
    "hubspot": hubspot,
    "request_tracker": request_tracker,
    "gorgias": gorgias,
    "django_helpdesk": django_helpdesk,
    "frappe_helpdesk": frappe_helpdesk,
}
