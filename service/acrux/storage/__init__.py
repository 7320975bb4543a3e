"""The room of tables and statements: one definition for SQLite and PostgreSQL. No meaning; SQLAlchemy stays in here."""
