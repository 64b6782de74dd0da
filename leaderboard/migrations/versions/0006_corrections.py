"""Corrections: accounts unlinked, people merged, facts taken back by source and time"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SORTS = (
    "story", "cosign", "thanks", "judged", "won", "promise_due", "promise_confirmed", "to_confirm", "to_judge",
)  # fmt: skip
MORE = (*SORTS, "taken_back", "merged")
TABLES = ("notice", "notice_way")


def upgrade() -> None:
    moment = sqlmodel.sql.sqltypes.UTCDateTime()
    text = sqlmodel.sql.sqltypes.AutoString()
    op.create_table(
        "merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("into_id", sa.Integer(), nullable=False),
        sa.Column("was_active", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("last_event_id", sa.Integer(), nullable=False),
        sa.Column("merged_at", moment, nullable=False),
        sa.Column("merged_by", sa.Integer(), nullable=True),
        sa.Column("undone_at", moment, nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_merge_person_id_person")),
        sa.ForeignKeyConstraint(["into_id"], ["person.id"], name=op.f("fk_merge_into_id_person")),
        sa.ForeignKeyConstraint(["merged_by"], ["person.id"], name=op.f("fk_merge_merged_by_person")),
        sa.ForeignKeyConstraint(["undone_by"], ["person.id"], name=op.f("fk_merge_undone_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge")),
    )
    op.create_index(op.f("ix_merge_person_id"), "merge", ["person_id"])
    op.create_index(op.f("ix_merge_into_id"), "merge", ["into_id"])
    op.create_table(
        "merged_credit",
        sa.Column("merge_id", sa.Integer(), nullable=False),
        sa.Column("credit_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("share", sa.Integer(), nullable=True),
        sa.Column("full_share", sa.Integer(), nullable=True),
        sa.Column("share_why", text, nullable=True),
        sa.ForeignKeyConstraint(["merge_id"], ["merge.id"], name=op.f("fk_merged_credit_merge_id_merge")),
        sa.ForeignKeyConstraint(["credit_id"], ["credit.id"], name=op.f("fk_merged_credit_credit_id_credit")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_merged_credit_person_id_person")),
        sa.PrimaryKeyConstraint("merge_id", "credit_id", name=op.f("pk_merged_credit")),
    )
    op.create_table(
        "reversal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", text, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column("event_id", sa.Integer(), nullable=True),
        sa.Column("done_at", moment, nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=True),
        sa.Column("undo_asked_at", moment, nullable=True),
        sa.Column("undo_asked_by", sa.Integer(), nullable=True),
        sa.Column("undone_at", moment, nullable=True),
        sa.Column("told_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'undoing', 'undone')", name=op.f("ck_reversal_state")
        ),
        sa.CheckConstraint("since < until", name=op.f("ck_reversal_span")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_reversal_asked_by_person")),
        sa.ForeignKeyConstraint(
            ["undo_asked_by"], ["person.id"], name=op.f("fk_reversal_undo_asked_by_person")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_reversal_event_id_event")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversal")),
    )
    op.create_index("ix_reversal_source", "reversal", ["source", "id"])
    op.create_table(
        "past_withdrawal",
        sa.Column("credit_id", sa.Integer(), nullable=False),
        sa.Column("withdrawn_by", sa.Integer(), nullable=False),
        sa.Column("restored_by", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_id"], ["credit.id"], name=op.f("fk_past_withdrawal_credit_id_credit")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawn_by"], ["event.id"], name=op.f("fk_past_withdrawal_withdrawn_by_event")
        ),
        sa.ForeignKeyConstraint(
            ["restored_by"], ["event.id"], name=op.f("fk_past_withdrawal_restored_by_event")
        ),
        sa.PrimaryKeyConstraint("credit_id", "withdrawn_by", name=op.f("pk_past_withdrawal")),
    )
    with op.batch_alter_table("identity") as batch_op:
        batch_op.add_column(sa.Column("unlinked_at", moment, nullable=True))
        batch_op.add_column(sa.Column("unlinked_by", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_identity_unlinked_by_person"), "person", ["unlinked_by"], ["id"])
    op.create_index(op.f("ix_person_merged_into_id"), "person", ["merged_into_id"])
    _allow(MORE)


def downgrade() -> None:
    op.execute("DELETE FROM notice WHERE sort IN ('taken_back', 'merged')")
    op.execute("DELETE FROM notice_way WHERE sort IN ('taken_back', 'merged')")
    _allow(SORTS)
    op.drop_index(op.f("ix_person_merged_into_id"), "person")
    with op.batch_alter_table("identity") as batch_op:
        batch_op.drop_constraint(op.f("fk_identity_unlinked_by_person"), type_="foreignkey")
        batch_op.drop_column("unlinked_by")
        batch_op.drop_column("unlinked_at")
    for table in ("past_withdrawal", "reversal", "merged_credit", "merge"):
        op.drop_table(table)


def _allow(sorts: tuple[str, ...]) -> None:
    """Let notices be of these sorts."""
    listed = f"sort IN ({', '.join(repr(sort) for sort in sorts)})"
    for table in TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(op.f(f"ck_{table}_sort"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_{table}_sort"), listed)
