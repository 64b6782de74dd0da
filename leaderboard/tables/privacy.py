"""What each column means for the person it holds or names: what their export contains of it, and what erasure does with it.

The index of search holds words of `person` and `nomination` once more, and forgets them with these (leaderboard/index.py).

The one place where that is decided. Every column of every table has an answer (a test walks the tables); docs/privacy.md shows
the same to people. Export and erasure go by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Export = Literal["yes", "names", "no"]
"""names: who else it names is given by name, as far as the person may see that one; ids of rows are never given."""
Erasure = Literal["kept", "emptied", "replaced", "reviewed", "deleted"]
"""replaced: by what says nothing (a "Former colleague 7", a keyed hash). reviewed: the name is taken out of the text, and
somebody looks at what is left. deleted: the whole row goes. What is kept belongs to a number that leads to no name any more."""


@dataclass(frozen=True)
class Answer:
    """What holds for some columns of a table, and why."""

    columns: tuple[str, ...]
    export: Export
    erasure: Erasure
    why: str


@dataclass(frozen=True)
class Table:
    """A table's answers. `whose` are the columns that say whose rows they are, or the table whose rows say it."""

    whose: tuple[str, ...]
    answers: tuple[Answer, ...]

    def of(self, column: str) -> Iterator[Answer]:
        """The answers of one column: exactly one, in a registry that is whole."""
        return (answer for answer in self.answers if column in answer.columns)


def _is(columns: str, export: Export, erasure: Erasure, why: str) -> Answer:
    return Answer(tuple(columns.split()), export, erasure, why)


def _nobody(columns: str, why: str) -> Table:
    return Table((), (_is(columns, "no", "kept", why),))


COUNTS = "what counting and rebuilding need; it names nobody"
LEDGER = "the ledger is never edited; its lines name a number"
SUMS = "sums of the ledger, whose lines are exported"
PROOF = "proves who somebody is: in a file that is passed on it would let others in"
SIGN_IN = "there is nobody left to sign in"
ROW = "the row's own number"
ACTOR = "who did it: the row stays, and its number leads to no name any more"
CUSTOMER = "about a customer, not the person; it ends with `[retention] text_months`"
TOOL = "a tool's number of a matter; it names nobody, and a replay of it must still earn nothing"

PRIVACY: dict[str, Table] = {
    "team": _nobody(
        "id name slug timezone next_timezone next_timezone_from first_week accepts board autopilot closes_at created_at",
        "about a team; a person's export names their team",
    ),
    "person": Table(
        ("id",),
        (
            _is("id", "no", "kept", "the number that everything earned and told stays with"),
            _is("uid", "yes", "kept", "the pseudonym in evidence and closed weeks; a rebuild reads it"),
            _is(
                "name handle email",
                "yes",
                "replaced",
                "by “Former colleague n”; pages of old weeks stay whole",
            ),
            _is("team_id", "names", "kept", "the team's totals stay"),
            _is(
                "role visibility on_screens",
                "yes",
                "replaced",
                "by member, off and no: no rights, on no board or screen",
            ),
            _is(
                "timezone locale theme alias joined_on away_from away_until tf_phone_number",
                "yes",
                "emptied",
                "nothing that stays needs it",
            ),
            _is("active bot created_at changed_at", "yes", "kept", COUNTS),
            _is("picture", "no", "emptied", "a fingerprint; the picture itself is exported"),
            _is("unread", "no", "kept", COUNTS),
            _is("merged_into_id", "names", "kept", "accounts of one person stay one"),
            _is("fs_uniquifier", "no", "replaced", "by another one, which ends every session and token"),
            _is(
                "password confirmed_at tf_primary_method tf_totp_secret tf_last_counter mf_recovery_codes "
                "fs_webauthn_user_handle",
                "no",
                "emptied",
                PROOF,
            ),
            _is("oidc_issuer oidc_subject", "yes", "emptied", SIGN_IN),
        ),
    ),
    "team_lead": Table(
        ("person_id",), (_is("team_id person_id", "names", "deleted", "nobody leads any more"),)
    ),
    "picture": Table(
        ("person_id",), (_is("person_id type data", "yes", "deleted", "nothing that stays needs it"),)
    ),
    "notice": Table(
        ("person_id",),
        (
            _is("id thing_id many state mail_at letter_id", "no", "deleted", ROW),
            _is("person_id sort at read_at", "yes", "deleted", "nothing that stays needs it"),
        ),
    ),
    "notice_way": Table(
        ("person_id",), (_is("person_id sort way", "yes", "deleted", "nothing that stays needs it"),)
    ),
    "notice_cursor": _nobody("id first_id event_id", "how far the clock has looked"),
    "letter": Table(
        ("person_id",),
        (
            _is("id state attempts next_try_at leased_until error", "no", "deleted", ROW),
            _is("person_id created_at sent_at", "yes", "deleted", "nothing that stays needs it"),
        ),
    ),
    "signed_in": Table(
        ("person_id",),
        (
            _is("key", "no", "deleted", PROOF),
            _is("person_id began_at ends_at", "yes", "deleted", SIGN_IN),
        ),
    ),
    "webauthn": Table(
        ("user_id",),
        (
            _is(
                "id credential_id public_key sign_count transports backup_state device_type extensions usage",
                "no",
                "deleted",
                PROOF,
            ),
            _is("name create_datetime lastuse_datetime user_id", "yes", "deleted", SIGN_IN),
        ),
    ),
    "invitation": Table(
        ("person_id",),
        (
            _is("id person_id", "no", "deleted", ROW),
            _is(
                "subject body created_at sent_at state",
                "yes",
                "deleted",
                "the letter they got; it goes when they come in",
            ),
            _is("attempts next_try_at error", "no", "deleted", "how its sending went"),
            _is("created_by", "names", "deleted", ACTOR),
        ),
    ),
    "token": Table(
        ("person_id",),
        (
            _is("id hash epoch", "no", "deleted", PROOF),
            _is("person_id name scopes created_at expires_at revoked_at", "yes", "deleted", SIGN_IN),
        ),
    ),
    "identity": Table(
        ("person_id",),
        (
            _is("id", "no", "kept", ROW),
            _is(
                "source person_id linked_at created_at bot",
                "yes",
                "kept",
                "so that late facts stay credited to the number",
            ),
            _is("account", "yes", "replaced", "by its keyed hash: late facts find it, nobody reads it"),
            _is("email name", "yes", "emptied", "they name the person"),
            _is("linked_by unlinked_by unlinked_at", "names", "kept", ACTOR),
        ),
    ),
    "delivery": Table(
        ("event",),
        (
            _is(
                "id source received_at state events repeated attempts next_try_at worked_at",
                "no",
                "kept",
                "how a call went; it names nobody",
            ),
            _is(
                "body headers url reason",
                "no",
                "emptied",
                "as the tool sent it, about several people: its facts are exported with the events. It ends with "
                "`[retention] payload_days`, at erasure at once",
            ),
        ),
    ),
    "source": Table(
        ("frozen_by",),
        (
            _is(
                "name cursor pulled_at pull_started_at pull_failures pull_error pull_cause next_pull_at refused "
                "refused_at refused_reason accounts_at frozen_at released_at",
                "no",
                "kept",
                "about a tool",
            ),
            _is("frozen_by", "no", "kept", ACTOR),
        ),
    ),
    "refusal": _nobody("source cause times since last_at reason off", "about a tool"),
    "backfill": Table(
        ("asked_by",),
        (
            _is(
                "source since asked_at state cursor reached_at pages events known failures error next_step_at ended_at",
                "no",
                "kept",
                "about a tool",
            ),
            _is("asked_by", "no", "kept", ACTOR),
        ),
    ),
    "act": Table(
        ("done_by",),
        (
            _is("id", "no", "kept", ROW),
            _is("done_at what source", "yes", "kept", "what was done to all must stay answerable"),
            _is("done_by", "names", "kept", ACTOR),
            _is("detail why", "yes", "reviewed", "words that may name anybody"),
        ),
    ),
    "event": Table(
        ("giver_id", "credit"),
        (
            _is("id delivery_id", "no", "kept", ROW),
            _is("source key object ticket", "yes", "kept", TOOL),
            _is("kind guideline occurred_at posted_at due_at", "yes", "kept", COUNTS),
            _is("giver_id", "names", "kept", ACTOR),
            _is("giver", "yes", "replaced", "by its keyed hash, as the account"),
            _is("customer", "yes", "emptied", CUSTOMER),
            _is("customer_key", "no", "kept", "a hash: one customer still counts as one"),
            _is("text url", "yes", "emptied", "a customer's words, and where they stand"),
            _is(
                "evidence",
                "yes",
                "replaced",
                "ids that scoring reads stay; an account becomes its keyed hash",
            ),
        ),
    ),
    "credit": Table(
        ("person_id",),
        (
            _is("id event_id identity_id entry_id withdrawn_by customer_key", "no", "kept", ROW),
            _is("agent", "yes", "replaced", "by its keyed hash, as the account; a uid stays"),
            _is("person_id", "yes", "kept", "the number"),
            _is("team_id", "names", "kept", "the team's totals stay"),
            _is(
                "kind share full_share share_why counts_at counts_on week late rules_version points",
                "yes",
                "kept",
                COUNTS,
            ),
        ),
    ),
    "points_entry": Table(
        ("person_id",),
        (
            _is("id credit_id event_id reverses_id", "no", "kept", LEDGER),
            _is("person_id", "yes", "kept", LEDGER),
            _is("team_id", "names", "kept", LEDGER),
            _is(
                "kind witness guideline points full_points why week counts_on rules_version posted_at",
                "yes",
                "kept",
                LEDGER,
            ),
        ),
    ),
    "score": Table(
        ("person_id",),
        (_is("team_id period guideline person_id points", "no", "kept", SUMS),),
    ),
    "tally": Table(
        ("person_id",),
        (
            _is(
                "person_id week colleague customer promise work last_at last_source last_key",
                "no",
                "kept",
                SUMS,
            ),
        ),
    ),
    "merge": Table(
        ("person_id", "into_id"),
        (
            _is("id last_event_id was_active", "no", "kept", ROW),
            _is("person_id into_id merged_at merged_by undone_at undone_by", "names", "kept", ACTOR),
            _is("reason", "yes", "reviewed", "words that may name anybody"),
        ),
    ),
    "merged_credit": Table(
        ("person_id",),
        (_is("merge_id credit_id person_id share full_share share_why", "no", "kept", COUNTS),),
    ),
    "reversal": Table(
        ("asked_by", "undo_asked_by"),
        (
            _is("id event_id state facts points people done_at undone_at told_at", "no", "kept", COUNTS),
            _is("source since until asked_at asked_by undo_asked_at undo_asked_by", "names", "kept", ACTOR),
            _is("reason undo_reason", "yes", "reviewed", "words that may name anybody"),
        ),
    ),
    "past_withdrawal": _nobody("credit_id withdrawn_by restored_by", COUNTS),
    "rules_version": Table(
        ("created_by",),
        (
            _is("version from_week points fair_play note created_at", "no", "kept", "the company's rules"),
            _is("created_by", "no", "kept", ACTOR),
        ),
    ),
    "pulse": _nobody("shard beats", "counts changes"),
    "nomination": Table(
        ("nominator_id", "nominee"),
        (
            _is("id joins_id", "no", "kept", ROW),
            _is(
                "uid guideline happened_on nominated_at edited_at state judged_at withdrawn_at",
                "yes",
                "kept",
                COUNTS,
            ),
            _is("worth full_worth worth_why acceptances cosigns", "yes", "kept", COUNTS),
            _is("nominator_id team_id judged_by", "names", "kept", ACTOR),
            _is("story", "yes", "reviewed", "it belongs to its teller and to everybody in it"),
            _is("customer", "yes", "kept", "about a customer, not the person; it stays as long as the story"),
            _is("reason", "yes", "reviewed", "what a judge wrote to the teller"),
        ),
    ),
    "nominee": Table(
        ("person_id",),
        (
            _is("nomination_id position", "no", "kept", ROW),
            _is("person_id share full_share share_why hidden_at", "yes", "kept", COUNTS),
        ),
    ),
    "co_sign": Table(
        ("person_id",),
        (
            _is("id nomination_id", "no", "kept", ROW),
            _is("person_id signed_at scores signings withdrawn_at", "yes", "kept", COUNTS),
        ),
    ),
    "promise": Table(
        ("maker_id",),
        (
            _is("id", "no", "kept", ROW),
            _is("uid source object ticket", "yes", "kept", TOOL),
            _is(
                "maker_id due_at contact_at made_at state kept_at confirmed_as confirmed_at",
                "yes",
                "kept",
                COUNTS,
            ),
            _is("what", "yes", "replaced", "by “A promise”: the words may name anybody"),
            _is("customer url contact authorised_by note", "yes", "emptied", "words that may name anybody"),
            _is("confirmed_by", "names", "kept", ACTOR),
        ),
    ),
    "promise_move": Table(
        ("promise",),
        (
            _is("id promise_id", "no", "kept", ROW),
            _is("from_due_at to_due_at moved_at told", "yes", "kept", COUNTS),
            _is("moved_by", "names", "kept", ACTOR),
            _is("reason", "yes", "emptied", "words that may name anybody"),
        ),
    ),
    "follow_up": Table(
        ("person_id",),
        (
            _is("id event_id", "no", "kept", ROW),
            _is("person_id opened_at state done_at", "yes", "kept", COUNTS),
            _is("done_by", "names", "kept", ACTOR),
            _is("note", "yes", "reviewed", "what a lead wrote about it"),
        ),
    ),
    "closed_week": Table(
        ("numbers",),
        (
            _is("id last_event_id last_entry_id", "no", "kept", ROW),
            _is(
                "team_id week closed_at huddle announced_at autopilot",
                "yes",
                "kept",
                "the week, where the person is in it",
            ),
            _is("closed_by announced_by", "names", "kept", ACTOR),
            _is(
                "numbers",
                "yes",
                "replaced",
                "the person's own lines; their name in it becomes “Former colleague n”, no number changes",
            ),
            _is("opening", "no", "reviewed", "a lead's words to the team"),
        ),
    ),
    "recognition": Table(
        ("person_id",),
        (
            _is("id closed_week_id nomination_id", "no", "kept", ROW),
            _is("category person_id points witnesses drafted dropped_at", "yes", "kept", COUNTS),
            _is("dropped_by", "names", "kept", ACTOR),
            _is("reason words dropped_reason", "yes", "reviewed", "words about the person"),
        ),
    ),
    "channel": Table(
        ("target",),
        (
            _is("id team_id kind name active", "no", "kept", "about a team"),
            _is(
                "target", "no", "reviewed", "an e-mail channel may hold the person's address, others a secret"
            ),
        ),
    ),
    "announcement": Table(
        ("body",),
        (
            _is(
                "id closed_week_id channel_id state attempts created_at next_try_at leased_until sent_at error",
                "no",
                "kept",
                COUNTS,
            ),
            _is(
                "subject body",
                "no",
                "reviewed",
                "the words of the week once more; copies that were sent are listed for the person",
            ),
        ),
    ),
    "heartbeat": _nobody("job started_at finished_at error", "about the clock"),
}
"""By table."""
