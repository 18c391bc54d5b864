-- How large the table of beats is, and what has happened to it.
select
    (select sum(h.beats)::bigint from {{ private }}.heartbeat as h) as beats,
    pg_relation_size(s.relid) as bytes,
    pg_indexes_size(s.relid) as index_bytes,
    s.n_dead_tup as dead_rows,
    s.n_tup_upd as updates,
    s.n_tup_hot_upd as hot_updates,
    s.autovacuum_count as autovacuums
from pg_stat_user_tables as s
where s.schemaname = '{{ private }}' and s.relname = 'heartbeat'
