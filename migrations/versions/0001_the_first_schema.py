"""The first schema: records, labels, streams, consumptions, idempotency keys, tokens, revisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DECISION = "kind = 'decision'"
_LISTING = ("at_us", "stream", "sequence")
# name, leading columns, predicate
_INDEXES = (
    ("records_by_time", (), _DECISION),
    ("records_by_client", ("client",), _DECISION),
    ("records_by_level", ("level",), _DECISION),
    ("records_by_app", ("app",), _DECISION),
    ("records_by_revision", ("revision",), _DECISION),
    ("records_by_user", ("user_hmac",), _DECISION),
    ("records_by_shadow", (), f"{_DECISION} AND shadow_differs"),
    ("records_by_verdict", ("verdict",), "kind = 'outcome'"),
)


def upgrade() -> None:
    """Make every table."""
    _create_records()
    op.create_table(
        "labels",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "at_us", "stream", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "streams",
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("opened_at_us", sa.BigInteger, nullable=False),
        sa.Column("closed_at_us", sa.BigInteger),
    )
    op.create_table(
        "consumptions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("outcome_id", sa.Text, nullable=False),
        sa.Column("claimant", sa.LargeBinary),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    _create_idempotency_keys()
    _create_tokens()
    op.create_table(
        "revisions",
        sa.Column("revision", sa.Text, primary_key=True),
        sa.Column("first_at_us", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop every table, with all that is in them."""
    for table in ("revisions", "tokens", "idempotency_keys", "consumptions", "streams", "labels", "records"):
        op.drop_table(table)


def _create_records() -> None:
    op.create_table(
        "records",
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("searchable", sa.Boolean, nullable=False),
        sa.Column("decision_id", sa.Text),
        sa.Column("client", sa.Text),
        sa.Column("app", sa.Text),
        sa.Column("level", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("verdict", sa.Text),
        sa.Column("uses_up", sa.Boolean),
        sa.Column("revision", sa.Text),
        sa.Column("user_hmac", sa.Text),
        sa.Column("correlation_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("shadow_differs", sa.Boolean),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("stream", "sequence", "at_us"),
    )
    for name, leading, predicate in _INDEXES:
        _create_partial_index(name, (*leading, *_LISTING), predicate)
    _create_partial_index("records_by_decision", ("decision_id",), "decision_id IS NOT NULL")


def _create_partial_index(name: str, columns: tuple[str, ...], predicate: str) -> None:
    where = sa.text(predicate)
    op.create_index(name, "records", list(columns), sqlite_where=where, postgresql_where=where)


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key_hash", sa.LargeBinary, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("idempotency_keys_by_expiry", "idempotency_keys", ["expires_at_us"])


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("clients", sa.LargeBinary, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger),
        sa.Column("revoked_at_us", sa.BigInteger),
        sa.Column("last_used_at_us", sa.BigInteger),
    )
