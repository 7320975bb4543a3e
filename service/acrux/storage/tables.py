"""The tables, once for SQLite and PostgreSQL. No sequences, triggers or foreign keys: see decision-log.md, "Tables".

Times are microseconds since 1970, UTC. Hashed bytes are bytes: PostgreSQL refuses NUL in text.
"""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()

IS_DECISION: Final = "kind = 'decision'"
"""The predicate of the partial indexes; queries must repeat it word for word, or SQLite does not see the index."""
_IS_OUTCOME: Final = "kind = 'outcome'"

RECORDS: Final = sa.Table(
    "records",
    METADATA,
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    # The time it is filed under: a decision's own, for decisions and their outcomes; else the time of recording.
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # False for a record whose columns below could not be filled; its body and leaf are whole all the same.
    sa.Column("searchable", sa.Boolean, nullable=False),
    sa.Column("decision_id", sa.Text),
    sa.Column("client", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("level", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("uses_up", sa.Boolean),  # whether an outcome uses its decision up
    sa.Column("revision", sa.Text),
    sa.Column("user_hmac", sa.Text),
    sa.Column("correlation_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("shadow_differs", sa.Boolean),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("stream", "sequence", "at_us"),
)


def _listing_index(name: str, *leading: str, where: str = IS_DECISION) -> sa.Index:
    columns = [RECORDS.c[column] for column in (*leading, "at_us", "stream", "sequence")]
    return sa.Index(f"records_by_{name}", *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


_listing_index("time")
_listing_index("client", "client")
_listing_index("level", "level")
_listing_index("app", "app")
_listing_index("revision", "revision")
_listing_index("user", "user_hmac")
_listing_index("shadow", where=f"{IS_DECISION} AND shadow_differs")
_listing_index("verdict", "verdict", where=_IS_OUTCOME)
sa.Index(
    "records_by_decision",
    RECORDS.c.decision_id,
    sqlite_where=sa.text("decision_id IS NOT NULL"),
    postgresql_where=sa.text("decision_id IS NOT NULL"),
)

LABELS: Final = sa.Table(
    "labels",
    METADATA,
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("kind", "value", "at_us", "stream", "sequence"),
    sqlite_with_rowid=False,
)

STREAMS: Final = sa.Table(
    "streams",
    METADATA,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("head", sa.LargeBinary, nullable=False),
    sa.Column("opened_at_us", sa.BigInteger, nullable=False),
    sa.Column("closed_at_us", sa.BigInteger),
)

CONSUMPTIONS: Final = sa.Table(
    "consumptions",
    METADATA,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("outcome_id", sa.Text, nullable=False),
    sa.Column("claimant", sa.LargeBinary),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)

IDEMPOTENCY_KEYS: Final = sa.Table(
    "idempotency_keys",
    METADATA,
    sa.Column("key_hash", sa.LargeBinary, primary_key=True),
    sa.Column("request_hash", sa.LargeBinary, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Index("idempotency_keys_by_expiry", "expires_at_us"),
)

TOKENS: Final = sa.Table(
    "tokens",
    METADATA,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("clients", sa.LargeBinary, nullable=False),  # a JSON list of names
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger),
    sa.Column("revoked_at_us", sa.BigInteger),
    sa.Column("last_used_at_us", sa.BigInteger),
)

REVISIONS: Final = sa.Table(
    "revisions",
    METADATA,
    sa.Column("revision", sa.Text, primary_key=True),
    sa.Column("first_at_us", sa.BigInteger, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

BINDINGS: Final = sa.Table(
    "bindings",
    METADATA,
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # nonce, challenge or refresh
    sa.Column("hash", sa.LargeBinary, nullable=False),  # SHA-256: the values themselves are secrets
    sa.Column("decision_id", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text, nullable=False),  # sealed
    sa.Column("with_challenge", sa.Boolean, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("client", "kind", "hash"),
    sa.Index("bindings_by_expiry", "expires_at_us"),
)
