-- The full set as the worker sees it, for when a beat could not bring it in step (R3): what it runs is confirmed, what it was
-- asked to stop and does not run is handed over, and the answer says exactly what to start and to stop.
-- Locks     decision; assignment rows (by id)
-- Writes    assignment, withdrawal, movement
-- Notifies  the next owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.report_streams(
    p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]
)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    perform {{ private }}.require_argument(
        'p_streams', p_streams is not null and array_position(p_streams, null) is null
            and cardinality(p_streams) = (select count(distinct u.stream_id) from unnest(p_streams) as u(stream_id)),
        to_jsonb(cardinality(p_streams)), 'each running stream once'
    );
    perform {{ private }}.require_argument(
        'p_epochs', cardinality(p_epochs) = cardinality(p_streams) and array_position(p_epochs, null) is null,
        to_jsonb(cardinality(p_epochs)), 'one epoch for each stream'
    );
    perform {{ private }}.lock_decisions();
    perform {{ private }}.speak_for(p_instance_id, p_incarnation);

    perform {{ private }}.confirm_starts(p_instance_id, p_streams, p_epochs);
    perform {{ private }}.confirm_stops(
        p_instance_id,
        array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = p_instance_id and a.stream_id <> all(p_streams)
            union
            select w.stream_id from {{ private }}.withdrawal as w where w.instance_id = p_instance_id and w.stream_id <> all(p_streams)
        )
    );

    return query
    select 'remove', u.stream_id, u.epoch, null::text, null::text, null::jsonb
    from unnest(p_streams, p_epochs) as u(stream_id, epoch)
    where not exists (
        select from {{ private }}.assignment as a
        where a.stream_id = u.stream_id and a.instance_id = p_instance_id and a.state <> 'releasing'
    )
    union all
    select 'add', a.stream_id, a.epoch, s.name, s.url, s.metadata
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    where a.instance_id = p_instance_id
        and a.state <> 'releasing'
        and not exists (
            select from unnest(p_streams, p_epochs) as u(stream_id, epoch)
            where u.stream_id = a.stream_id and u.epoch = a.epoch
        );
end
$function$;
comment on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) is 'Reconcile with the full set of what the instance runs; returns the commands that bring it in step.';
revoke all on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) from public;
grant execute on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) to {{ worker }}, {{ admin }};
