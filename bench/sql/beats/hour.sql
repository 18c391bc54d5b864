-- A beat of each of this client's instances in turn: one in eight is its own. Every other round it says something else.
\if :is_told
\set turn mod(:turn + 1, 250)
\else
\set turn 0
\set is_told 1
\endif
select b.*
from bench_raw.worker as w
cross join lateral {{ api }}.heartbeat(w.instance_id, w.incarnation, w.digest, case when :turn < 125 then w.report_1 else w.report_2 end) as b
where w.number = 8 * mod(:turn, 125) + :client_id;
