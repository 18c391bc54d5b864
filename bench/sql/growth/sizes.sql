-- How large each table of history is, with its indexes.
select
    c.relname as table_name, c.reltuples::bigint as rows, pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes
from pg_class as c
where c.oid in (
    '{{ private }}.decision'::regclass, '{{ private }}.movement'::regclass, '{{ private }}.job_run'::regclass,
    '{{ private }}.fleet_sample'::regclass, '{{ private }}.repair'::regclass, '{{ private }}.alert'::regclass,
    '{{ private }}.alert_delivery'::regclass
)
order by pg_total_relation_size(c.oid) desc
