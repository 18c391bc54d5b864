"""Drives the orchestrator, which lives in PostgreSQL: connects, retries, sleeps, prints. Decides nothing."""

__version__ = "0.1.0"
