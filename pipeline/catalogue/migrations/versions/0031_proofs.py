"""When who is signed in showed who they are."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Of sessions that there are nobody knows: who is in one signs in again before what lets others in.
    op.add_column("session", sa.Column("proved", _TIME, nullable=True))
    op.add_column("oidc_request", sa.Column("since", _TIME, nullable=True))
