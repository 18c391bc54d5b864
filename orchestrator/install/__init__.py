"""Installs and upgrades a fleet's schemas."""
