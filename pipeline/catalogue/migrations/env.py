"""Alembic's environment: migrations run on the connection that `engine` hands over."""

from alembic import context

from pipeline.catalogue.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
