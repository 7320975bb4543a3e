"""What the redirect adapter binds decisions to: nonces, PKCE challenges, refresh tokens, each as a hash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "bindings",
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("ticket", sa.Text, nullable=False),
        sa.Column("with_challenge", sa.Boolean, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client", "kind", "hash"),
    )
    op.create_index("bindings_by_expiry", "bindings", ["expires_at_us"])


def downgrade() -> None:
    """Drop it: logins that are under way start again, refresh tokens need a new login."""
    op.drop_table("bindings")
