"""Doubles of the clients that are deployed and will not change, as programs, and a judge of what they hear.

The doubles follow what the deployed modules and host programs were seen to do, their defects included. Each is a
process of its own (`python -m tests.field --help`), of one of these kinds:

    P   plain host on the resilient module: runs its list and goes on asking
    R   the real host on it: what it starts with is what it hears, and one more at most
    RO  the first real host, which speaks as servers do and asks once
    O   old host on the server module       S  plain host on the server module
    W   the worker module                   T  the template

A test starts them with a `Field` and asks the `Judge` what they hear, never the product:

    a, b = world.field.start_together("R", "a", "b")    # or start("P", "a", max_streams=40, address="127.0.0.5")
    world.judge.wait_for_exactly_one(within=30)         # seconds of the clients; `factor` of them are one of ours
    since = world.judge.now()
    a.half_hour()                                       # it replaces itself: same process, same address, same file
    a.terminate(); a.kill(); a.tell("release", 3, 17)   # SIGTERM; SIGKILL; the program around the module gives back
    world.field.start_again(a)                          # its container restarts: same address, same file
    world.field.make_anew(a, "127.0.0.9")               # another container of the name, without a file
    world.way.cut(); world.way.heal()                   # the server is away
    world.way.refuse_first_tries(2)                     # 503 to the first two tries of each call
    a.hears, a.list, a.state, a.calls("/heartbeat"), a.asks(), a.asking_loop_has_ended
    world.judge.longest_twice(since=since), world.judge.changes(b.label, since=since)

`world` is the product with a table of stations, a driver and servers; `stage` is a server that answers what a test
says. ORCHESTRATOR_FIELD_FACTOR and ORCHESTRATOR_FIELD_SERVERS set the pace and the servers of the scenarios.
"""
