-- As on an operator's server; the rest of the benchmark keeps it out of its rounds.
alter system set autovacuum = on
