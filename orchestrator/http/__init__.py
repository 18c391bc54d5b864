"""The HTTP face: each route is one SQL function that answers with a status and JSON (`orchestrator serve`).

Nothing is decided here. `routes.py` has the routes, `schemas.py` what they take and give, `openapi.py` the document
made of both; `app.py` serves them. `access.py` admits requests by key, rate and size, `problems.py` says what went
wrong, `prometheus.py` writes the metrics, `pool.py` holds the connections and `server.py` runs it all.
"""
