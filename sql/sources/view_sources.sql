-- Where streams come from, and how the last synchronisation of each went.
create or replace view {{ api }}.sources as
select
    s.source,
    s.kind,
    s.enabled,
    -- one that was stored before it was looked at so closely
    case when {{ private }}.is_storable_conninfo(s.conninfo) then s.conninfo when s.conninfo is not null then '…' end as conninfo,
    s.table_name,
    s.column_map,
    -- as it is followed
    {{ private }}.sync_pause(s.sync_interval, 0) as sync_interval,
    s.max_removed_part,
    coalesce(c.streams, 0) as streams,
    coalesce(c.active_streams, 0) as active_streams,
    s.last_attempt_at,
    s.last_success_at,
    s.last_result,
    s.last_error,
    s.consecutive_failures,
    case when s.kind = 'postgresql' and s.enabled then coalesce(s.last_attempt_at + {{ private }}.sync_pause(s.sync_interval, s.consecutive_failures), s.created_at) end as next_sync_at,
    s.serves_http,
    (
        select jsonb_object_agg(w.witness, jsonb_build_object(
            'table_name', w.table_name, 'last_success_at', w.last_success_at, 'last_error', w.last_error,
            'consecutive_failures', w.consecutive_failures
        ))
        from {{ private }}.witness as w
        where w.source = s.source
    ) as witnesses
from {{ private }}.source as s
left join (
    select
        stream.source,
        count(*)::integer as streams,
        count(*) filter (where stream.active)::integer as active_streams
    from {{ private }}.stream
    group by stream.source
) as c on s.source = c.source;

comment on view {{ api }}.sources is 'Where streams come from: address (never a password), column map, interval, number of streams, whether it serves clients that speak HTTP, its witnesses (tables beside it that tell of clients) and how they were last read, and the last synchronisation, good or bad.';
grant select on {{ api }}.sources to {{ reader }}, {{ admin }};
