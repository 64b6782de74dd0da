"""The company's board asks for the teams that have none: an index instead of all of them"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_team_board", "team", ["board"])


def downgrade() -> None:
    op.drop_index("ix_team_board", "team")
