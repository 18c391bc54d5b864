-- Two beats of the instance that this client speaks for; `is_told` is 0 until it knows which.
\if :is_told
\else
select w.instance_id, w.incarnation, w.digest, w.report_1, w.report_2 from bench_raw.worker as w where w.number = :client_id \gset
\set is_told 1
\endif
select * from {{ api }}.heartbeat(p_instance_id => :instance_id, p_incarnation => :incarnation, p_digest => :digest, p_report => :report_1);
select * from {{ api }}.heartbeat(p_instance_id => :instance_id, p_incarnation => :incarnation, p_digest => :digest, p_report => :report_2);
