-- So many movements of one new decision, as a decision writes them.
with made as (
    insert into {{ private }}.decision (decided_at, rule, trigger, actor) values ({{ private }}.now(), 'bench', 'bench', 'bench')
    returning decision_id
)
insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
select n, 1000000, m.decision_id, 'worker-00001', 'worker-00002', 'bench', {{ private }}.now()
from made as m, generate_series(1, {{ moves }}) as n
