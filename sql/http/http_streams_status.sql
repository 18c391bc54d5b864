-- GET /streams/status: who has what, and what was decided last.
-- Reads     instance, instance_load, heartbeat, assignment, decision
create or replace function {{ api }}.http_streams_status()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    with held as (
        select a.instance_id, jsonb_agg(a.stream_id order by a.stream_id) as stream_ids, count(*) as streams
        from {{ private }}.assignment as a
        where a.instance_id is not null
        group by a.instance_id
    ),
    change as (
        select d.decision_id, d.decided_at, d.rule, d.moves, d.least_moves, d.still_waiting, d.event_id, coalesce(d.reason, d.trigger) as reason
        from {{ private }}.decision as d
        where d.moves > 0
        order by d.decision_id desc
        limit 20
    )
    select 200, jsonb_build_object(
        'streams', jsonb_build_object(
            'total', t.total, 'active', t.active, 'inactive', t.inactive, 'assigned', t.assigned, 'unassigned', t.waiting
        ),
        'distribution', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'instance_id', i.instance_id,
                'assigned_streams', coalesce(h.streams, 0),
                'stream_ids', coalesce(h.stream_ids, '[]'),
                'last_updated', coalesce(i.streams_changed_at, i.registered_at)
            ) order by i.instance_id), '[]')
            from {{ private }}.http_instance_rows() as i
            left join held as h on h.instance_id = i.instance_id
        ),
        'recent_changes', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'timestamp', c.decided_at,
                'action', c.rule,
                'details', jsonb_build_object(
                    'decision_id', c.decision_id, 'moves', c.moves, 'least_moves', c.least_moves, 'still_waiting', c.still_waiting,
                    'event_id', c.event_id
                ),
                'reason', c.reason
            ) order by c.decision_id desc), '[]')
            from change as c
        )
    )
    from {{ private }}.http_stream_counts() as t;
end
$function$;
comment on function {{ api }}.http_streams_status() is
'Answer GET /streams/status: which instance has what, and what was decided last.
status: the HTTP status.
body: streams by state, distribution by instance, and in recent_changes the last 20 decisions that moved a stream.
Example: select * from {{ api }}.http_streams_status();';
revoke all on function {{ api }}.http_streams_status() from public;
grant execute on function {{ api }}.http_streams_status() to {{ reader }}, {{ admin }};
