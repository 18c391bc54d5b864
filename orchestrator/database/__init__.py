"""Connections, calls, retries and sessions: what stands between this program and PostgreSQL."""
