"""Notices, letters, pictures"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SORTS = "sort IN ('story', 'cosign', 'thanks', 'judged', 'won', 'promise_due', 'promise_confirmed', 'to_confirm', 'to_judge')"


def upgrade() -> None:
    text = sqlmodel.sql.sqltypes.AutoString
    moment = sqlmodel.sql.sqltypes.UTCDateTime
    op.add_column("person", sa.Column("picture", text(), nullable=True))
    op.add_column("person", sa.Column("unread", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("state", text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", moment(), nullable=False),
        sa.Column("leased_until", moment(), nullable=True),
        sa.Column("sent_at", moment(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed', 'empty')",
            name=op.f("ck_letter_state"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_letter_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
    )
    op.create_index("ix_letter_state_next_try_at", "letter", ["state", "next_try_at"])
    op.create_index(op.f("ix_letter_person_id"), "letter", ["person_id"])
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("sort", text(), nullable=False),
        sa.Column("thing_id", sa.Integer(), nullable=False),
        sa.Column("many", sa.Integer(), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.Column("state", text(), nullable=False),
        sa.Column("read_at", moment(), nullable=True),
        sa.Column("mail_at", moment(), nullable=True),
        sa.Column("letter_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(SORTS, name=op.f("ck_notice_sort")),
        sa.CheckConstraint("state IN ('new', 'unread', 'read', 'gone')", name=op.f("ck_notice_state")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_notice_person_id_person")),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_notice_letter_id_letter")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("sort", "thing_id", "person_id", name=op.f("uq_notice_sort_thing_id_person_id")),
    )
    op.create_index("ix_notice_person_id_at", "notice", ["person_id", "at"])
    op.create_index("ix_notice_person_id_state", "notice", ["person_id", "state"])
    op.create_index("ix_notice_state_read_at", "notice", ["state", "read_at"])
    op.create_index(op.f("ix_notice_mail_at"), "notice", ["mail_at"])
    op.create_index(op.f("ix_notice_letter_id"), "notice", ["letter_id"])
    op.create_table(
        "notice_way",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("sort", text(), nullable=False),
        sa.Column("way", text(), nullable=False),
        sa.CheckConstraint(SORTS, name=op.f("ck_notice_way_sort")),
        sa.CheckConstraint("way IN ('at_once', 'daily', 'page', 'off')", name=op.f("ck_notice_way_way")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_notice_way_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", "sort", name=op.f("pk_notice_way")),
    )
    op.create_table(
        "notice_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_cursor")),
    )
    op.create_table(
        "picture",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_picture_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_picture")),
    )
