"""The database: an embedded server or an external one, connections, migrations and named SQL."""
