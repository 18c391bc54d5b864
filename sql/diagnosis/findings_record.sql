-- Findings of diagnose(): whether the record is right.
--   counts_wrong        counters or a digest differ from a recount
--   row_missing         a stream or an instance lacks a row that it must have
--   row_impossible      rows contradict each other
--   station_duplicate   one address is listened to more than once
-- Reads     instance, instance_load, requirement_load, heartbeat, stream, assignment

create or replace function {{ private }}.missing_rows()
    returns table (subject text, missing text)
    language sql volatile
as $function$
    select 'stream ' || s.stream_id, 'assignment'
    from {{ private }}.stream as s
    where not exists (select from {{ private }}.assignment as a where a.stream_id = s.stream_id)
    union all
    select 'instance ' || i.instance_id, 'instance_load'
    from {{ private }}.instance as i
    where not exists (select from {{ private }}.instance_load as l where l.instance_id = i.instance_id)
    union all
    select 'instance ' || i.instance_id, 'heartbeat'
    from {{ private }}.instance as i
    where not exists (select from {{ private }}.heartbeat as h where h.instance_id = i.instance_id)
$function$;
comment on function {{ private }}.missing_rows() is 'Rows that must be there and are not, by the table that lacks them.';

create or replace function {{ private }}.impossible_rows()
    returns table (stream_id bigint, instance_id text, contradiction text)
    language sql volatile
as $function$
    select c.stream_id, c.instance_id, c.contradiction
    from (
        select
            a.stream_id, a.instance_id,
            case
                when a.requirement_id <> s.requirement_id then 'it is counted under another requirement than its own'
                when s.active and a.state = 'idle' then 'it is active and does not wait for an instance'
                when not s.active and a.state <> 'idle' then 'it is not active and not idle'
                when i.status = 'removed' then 'an instance holds it that is removed'
                when not n.is_living then 'it is on its way to an instance that is ' || n.status
            end as contradiction
        from {{ private }}.assignment as a
        join {{ private }}.stream as s on s.stream_id = a.stream_id
        left join {{ private }}.instance as i on i.instance_id = a.instance_id
        left join {{ private }}.instance as n on n.instance_id = a.next_instance_id
    ) as c
    where c.contradiction is not null
$function$;
comment on function {{ private }}.impossible_rows() is 'Assignments that contradict their stream or their instance.';

create or replace function {{ private }}.findings_record()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with repair as (
        select
            'select * from {{ api }}.repair_record()' as statement,
            'This must not happen: the private tables were written to by hand, or it is a bug worth reporting. The repair sets it right by what the assignments say.'
            as recommendation
    ),
    duplicate as (
        select s.url, array_agg(s.stream_id order by s.stream_id) as stream_ids, array_agg(distinct s.source) as sources
        from {{ private }}.stream as s
        where s.active
        group by s.url
        having count(*) > 1
        order by s.url
        limit 50
    )
    select 'critical', 'counts_wrong', 'instance ' || m.instance_id, 'its counters or its digest differ from a recount',
        jsonb_build_object('counted', m.counted, 'recounted', m.recounted), r.recommendation, r.statement
    from {{ private }}.miscounts() as m cross join repair as r
    union all
    select 'critical', 'row_missing', m.subject, 'it has no row in ' || m.missing, jsonb_build_object('table', m.missing), r.recommendation, r.statement
    from {{ private }}.missing_rows() as m cross join repair as r
    union all
    select 'critical', 'row_impossible', 'stream ' || i.stream_id, i.contradiction,
        jsonb_build_object('stream_id', i.stream_id, 'instance_id', i.instance_id), r.recommendation, r.statement
    from {{ private }}.impossible_rows() as i cross join repair as r
    union all
    select 'warning', 'station_duplicate', {{ private }}.redact(d.url), 'it is listened to ' || cardinality(d.stream_ids) || ' times, and counted as often',
        jsonb_build_object('stream_ids', d.stream_ids, 'sources', d.sources),
        'Remove all but one where they come from. The repair switches off all but the oldest.',
        format('select * from unnest(%L::bigint[]) as u(stream_id) cross join lateral {{ api }}.set_stream_active(u.stream_id, false)', d.stream_ids[2:])
    from duplicate as d
$function$;
comment on function {{ private }}.findings_record() is 'Findings: counters, digests and rows that cannot be as they are.';
