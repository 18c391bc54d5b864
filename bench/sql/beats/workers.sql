-- What each of pgbench's clients says: one instance each, in step, with two reports that differ as two of a live worker do.

create table bench_raw.worker (
    number bigint primary key,
    instance_id text not null,
    incarnation bigint not null,
    digest bigint not null,
    sent_at_1 timestamptz not null,
    sent_at_2 timestamptz not null,
    report_1 jsonb not null,
    report_2 jsonb not null
);

insert into bench_raw.worker
select
    row_number() over (order by i.instance_id) - 1, i.instance_id, i.incarnation, l.digest, said.sent_at_1, said.sent_at_2,
    said.report || jsonb_build_object(
        'processed_count', 120431, 'cpu_usage', 12.4, 'round_trip', 0.00213,
        'timestamp', said.sent_at_1, 'last_activity', said.sent_at_1 - interval '0.2 seconds'
    ),
    said.report || jsonb_build_object(
        'processed_count', 120502, 'cpu_usage', 11.9, 'round_trip', 0.00187,
        'timestamp', said.sent_at_2, 'last_activity', said.sent_at_2 - interval '0.1 seconds'
    )
from {{ private }}.instance as i
join {{ private }}.instance_load as l on l.instance_id = i.instance_id
cross join lateral (
    select
        {{ private }}.now() as sent_at_1,
        {{ private }}.now() + interval '29.3 seconds' as sent_at_2,
        jsonb_build_object(
            'status', 'active', 'current_streams', l.owned, 'error_count', 0, 'memory_usage', 40.2, 'heartbeat_interval', 30.0,
            'breaker', 'closed', 'breaker_opened', 0, 'progressing', l.owned
        ) as report
) as said;

analyze bench_raw.worker;
