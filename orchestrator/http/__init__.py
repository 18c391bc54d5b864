"""The HTTP face: each route is one SQL function that answers with a status and JSON (`orchestrator serve`).

Nothing is decided here. `app.py` has the routes, `schemas.py` what they take and give, for the OpenAPI document;
`access.py` keeps out who has no key or asks too much, `problems.py` says what went wrong, `pool.py` holds the
connections and `server.py` runs it all.
"""
