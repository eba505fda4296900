"""What Alembic runs: with the connection that `upgrade` hands over, or printing SQL where there is none."""

from __future__ import annotations

from alembic import context

from toru.store.schema import metadata

if context.is_offline_mode():
    context.configure(
        dialect_name=context.config.attributes["dialect"], target_metadata=metadata, transactional_ddl=True
    )
else:
    # SQLite's tables can be changed only by copying them, which `render_as_batch` does.
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
