-- Let the counters of this session be seen.
select pg_stat_force_next_flush()
