-- How many updates of the beats there were, and how many of them were HOT.
select s.n_tup_upd as updates, s.n_tup_hot_upd as hot_updates
from pg_stat_user_tables as s
where s.schemaname = '{{ private }}' and s.relname = 'heartbeat'
