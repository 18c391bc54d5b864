"""Tests against a real PostgreSQL; nothing of the database is mocked."""
