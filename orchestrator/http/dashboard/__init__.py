"""The dashboard: one page, complete as it is first answered, then kept up to date through server-sent events.

`routes.py` has its paths, `live.py` what keeps all browsers up to date, `page.py` and `charts.py` make HTML of what
the database says. `templates/` and `assets/` are the page itself; nothing is built, and nothing comes from elsewhere.
"""
