"""Streams from outside: production tables and playlist files."""
