-- Streams that run and are silent. A beat names them (hear_stalls); the job watch_stalls does the rest.
--   restarted   where it is, at once: a command of the beat's own answer
--   moved       when it is still silent stall_timeout after that
--   blamed      when it was silent on instance after instance (station_faults.sql); then only restarted now and then
-- Locks     stream (key share), stall rows: whatever somebody else holds is left for the next beat, a beat waits for nothing
-- Writes    stall

create or replace function {{ private }}.hear_stalls(p_instance_id text, p_stalled jsonb)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    with limits as materialized (
        select {{ private }}.now() as now, {{ private }}.setting_interval('stall_timeout') as timeout
    ),
    -- what it says of streams that are its own and that it confirmed
    silent as (
        select a.stream_id, a.epoch, l.now, l.now - make_interval(secs => max(s.silent_for)) as since
        from jsonb_to_recordset(p_stalled) as s(stream_id bigint, epoch bigint, silent_for double precision)
        join {{ private }}.assignment as a on a.stream_id = s.stream_id and a.epoch = s.epoch
        cross join limits as l
        where a.instance_id = p_instance_id and a.state = 'running' and s.silent_for >= extract(epoch from l.timeout)
        group by a.stream_id, a.epoch, l.now
    ),
    present as (
        select s.stream_id from {{ private }}.stream as s
        where s.stream_id in (select n.stream_id from silent as n)
        order by s.stream_id
        for key share skip locked
    ),
    known as (
        select t.stream_id, t.instance_id, t.epoch, t.restarted_at from {{ private }}.stall as t
        where t.stream_id in (select p.stream_id from present as p)
        order by t.stream_id
        for no key update skip locked
    ),
    heard as (
        update {{ private }}.stall as t
        set
            instance_id = p_instance_id, epoch = s.epoch, silent_since = s.since, reported_at = s.now,
            restarted_at = case
                when (k.instance_id, k.epoch) = (p_instance_id, s.epoch)
                    -- the station's own fault: tried again, but seldom
                    and (k.restarted_at > s.now - interval '10 minutes' or f.stream_id is null)
                    then coalesce(k.restarted_at, s.now)
                else s.now
            end
        from known as k
        join silent as s on s.stream_id = k.stream_id
        left join {{ private }}.station_fault as f on f.stream_id = k.stream_id
        where t.stream_id = k.stream_id
        returning t.stream_id, t.epoch, t.restarted_at = t.reported_at as is_to_restart
    ),
    met as (
        insert into {{ private }}.stall (stream_id, instance_id, epoch, silent_since, reported_at, restarted_at)
        select s.stream_id, p_instance_id, s.epoch, s.since, s.now, s.now
        from silent as s
        join present as p on p.stream_id = s.stream_id
        where not exists (select from {{ private }}.stall as t where t.stream_id = s.stream_id)
        on conflict (stream_id) do nothing
        returning stall.stream_id, stall.epoch, true
    )
    select 'restart', r.stream_id, r.epoch, null::text, null::text, null::jsonb
    from (select * from heard union all select * from met) as r(stream_id, epoch, is_to_restart)
    where r.is_to_restart
    order by r.stream_id
$function$;
comment on function {{ private }}.hear_stalls(text, jsonb) is 'Note which of its streams an instance hears nothing of; returns the commands to restart those where that is new.';
