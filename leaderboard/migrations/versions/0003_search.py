"""Search: the words of people and stories, filled when the upgrade ends"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE person_words USING fts5(words, alias, tokenize = 'ascii', prefix = '1 2 3')"
        )
        op.execute(
            "CREATE VIRTUAL TABLE story_words USING fts5(words, customer, tokenize = 'ascii', prefix = '1 2 3')"
        )
        return
    for name, other in (("person_words", "alias"), ("story_words", "customer")):
        op.execute(
            f"CREATE TABLE {name} (id integer PRIMARY KEY, words tsvector NOT NULL, {other} tsvector NOT NULL)"
        )
        op.execute(f"CREATE INDEX ix_{name}_words ON {name} USING gin (words)")
        op.execute(f"CREATE INDEX ix_{name}_{other} ON {name} USING gin ({other})")


def downgrade() -> None:
    for name, whose in (("person_words", "person"), ("story_words", "nomination")):
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {name}_change")
            op.execute(f"DROP TRIGGER IF EXISTS {name}_delete")
        else:
            op.execute(f"DROP TRIGGER IF EXISTS {name}_forget ON {whose}")
    op.drop_table("story_words")
    op.drop_table("person_words")
