"""How fast the orchestrator is, beside the raw SQL that any solution must do. `python -m bench --help`."""
