"""${message}"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
phase = "pre"  # or "post": see plantkeeper_db/phases.py


def upgrade() -> None:
    """Change the schema."""
    ${upgrades if upgrades else "op.execute('')"}


def downgrade() -> None:
    """Change it back."""
    ${downgrades if downgrades else "op.execute('')"}
