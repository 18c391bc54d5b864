"""Walks through the real SQL that no one has thought of: which steps are taken, and in what order, the dice decide.

Every step is a call of the installed functions, every worker process an object that behaves as worker_shim does
(worker.py), and time is the test's clock, which passes within the transaction of a walk (world.py). The laws are looked
at after each step, and at the end of each path the fleet is left alone until every stream is heard by its owner and by
no one else (laws.py). What is found is shrunk to the shortest path and printed as a test (walk.py).

`make explore` runs for as long as one says; `python -m tests.explorer --planted` shows what it finds (faults.py).
"""
