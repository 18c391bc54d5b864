"""A real fleet on a server of its own: what the demo, the chaos suite and the benchmark share.

`server` makes a PostgreSQL that is gone afterwards, `processes` the children, `stations` and `sound` the radio,
`listening` the handler of the workers, `ledger` and `report` what was heard, `fleet` all of it together.
"""
