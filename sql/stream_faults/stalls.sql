-- Streams that run and are silent. A beat names them (record_stalls); the job watch_stalls does the rest.
--   restarted   where it is, at once: a command of the beat's own answer
--   promoted    as soon as that is known of a stream whose standby hears it
--   moved       when it is still silent stall_timeout after that
--   blamed      when it was silent on instance after instance (station_faults.sql); then only restarted now and then
-- An instance that beats while none of its streams makes progress is in warning: it is given nothing, and its streams leave it
-- one by one as above.
-- Locks     stream (key share), stall rows: what another session holds is left for the next beat, a beat waits for nothing
-- Writes    stall

create or replace function {{ private }}.record_stalls(p_instance_id text, p_stalled jsonb)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    with limits as materialized (
        select {{ private }}.now() as now, {{ private }}.setting_interval('stall_timeout') as timeout
    ),
    -- what it says of streams that are its own and that it confirmed
    silent as (
        select
            a.stream_id, a.epoch, l.now, l.now - make_interval(secs => max(s.silent_for)) as since,
            max(s.silent_for) >= extract(epoch from l.timeout) as is_long
        from jsonb_to_recordset(p_stalled) as s(stream_id bigint, epoch bigint, silent_for double precision)
        join {{ private }}.assignment as a on a.stream_id = s.stream_id and a.epoch = s.epoch
        cross join limits as l
        where a.instance_id = p_instance_id and a.state = 'running'
        group by a.stream_id, a.epoch, l.now, l.timeout
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
                    and (k.restarted_at > s.now - interval '10 minutes' or f.stream_id is null or not s.is_long)
                    then coalesce(k.restarted_at, case when s.is_long then s.now end)
                else s.now
            end
        from known as k
        join silent as s on s.stream_id = k.stream_id
        left join {{ private }}.station_fault as f on f.stream_id = k.stream_id
        where t.stream_id = k.stream_id
            -- once restarted, a shorter silence says that it is not over
            and (s.is_long or (k.instance_id, k.epoch) = (p_instance_id, s.epoch))
        returning t.stream_id, t.epoch, t.restarted_at = t.reported_at as is_to_restart
    ),
    met as (
        insert into {{ private }}.stall (stream_id, instance_id, epoch, silent_since, reported_at, restarted_at)
        select s.stream_id, p_instance_id, s.epoch, s.since, s.now, s.now
        from silent as s
        join present as p on p.stream_id = s.stream_id
        where s.is_long and not exists (select from {{ private }}.stall as t where t.stream_id = s.stream_id)
        on conflict (stream_id) do nothing
        returning stall.stream_id, stall.epoch, true
    )
    select 'restart', r.stream_id, r.epoch, null::text, null::text, null::jsonb
    from (select * from heard union all select * from met) as r(stream_id, epoch, is_to_restart)
    where r.is_to_restart
    order by r.stream_id
$function$;
comment on function {{ private }}.record_stalls(text, jsonb) is 'Note which of its streams an instance hears nothing of; returns the commands to restart those where that is new.';

create or replace function {{ private }}.stalls_over()
    returns table (stream_id bigint, is_progress boolean)
    language sql volatile
as $function$
    select s.stream_id, w.is_owner
    from {{ private }}.stall as s
    join {{ private }}.assignment as a on a.stream_id = s.stream_id
    join {{ private }}.heartbeat as h on h.instance_id = s.instance_id
    cross join (
        select
            {{ private }}.now() as now, {{ private }}.setting_interval('heartbeat_interval') as beat,
            {{ private }}.setting_interval('stall_timeout') as timeout
    ) as l
    cross join lateral (
        select coalesce((a.instance_id, a.epoch, a.state) = (s.instance_id, s.epoch, 'running'), false)
    ) as w(is_owner)
    where not w.is_owner
        -- a worker may count a handler's silence from its restart: it has that long, and two beats, to name it again
        or (h.beat_at > s.reported_at and l.now >= greatest(s.reported_at, s.restarted_at + l.timeout) + 2 * l.beat)
$function$;
comment on function {{ private }}.stalls_over() is 'Stalls that are none any more: the stream changed hands, or its owner beats and names it no longer.';

create or replace function {{ private }}.stalls_due()
    returns table (stream_id bigint, instance_id text)
    language sql volatile
as $function$
    select s.stream_id, s.instance_id
    from {{ private }}.stall as s
    join {{ private }}.assignment as a
        on a.stream_id = s.stream_id and a.instance_id = s.instance_id and a.epoch = s.epoch and a.state = 'running'
    where s.reported_at >= greatest(s.restarted_at, s.silent_since) + {{ private }}.setting_interval('stall_timeout')
        and s.restarted_at is not null
        and not exists (select from {{ private }}.station_fault as f where f.stream_id = s.stream_id)
$function$;
comment on function {{ private }}.stalls_due() is 'Streams that are still silent stall_timeout after they were restarted.';

create or replace function {{ private }}.is_progress(p_progressing integer, p_processed bigint, p_processed_before bigint)
    returns boolean
    language sql immutable
begin atomic
    -- a client that does not say shows it by its count
    select coalesce(p_progressing > 0, p_processed > p_processed_before, false);
end;
comment on function {{ private }}.is_progress(integer, bigint, bigint) is 'Whether a beat tells of progress with any stream.';

create or replace function {{ private }}.should_progress(p_instance_id text)
    returns boolean
    language sql volatile
as $function$
    select exists (
        select from {{ private }}.assignment as a
        where a.instance_id = p_instance_id
            and a.state = 'running'
            and a.assigned_at <= {{ private }}.now() - {{ private }}.setting_interval('stall_timeout')
            and not exists (select from {{ private }}.station_fault as f where f.stream_id = a.stream_id)
    )
$function$;
comment on function {{ private }}.should_progress(text) is 'Whether an instance has run streams for stall_timeout that are not their stations'' own fault.';

create or replace function {{ private }}.may_be_well(p_instance_id text, p_report {{ private }}.report)
    returns boolean
    language sql volatile
as $function$
    select
        {{ private }}.is_progress((p_report).progressing, (p_report).processed_count, h.processed_count)
        or not {{ private }}.should_progress(p_instance_id)
    from {{ private }}.heartbeat as h
    where h.instance_id = p_instance_id
$function$;
comment on function {{ private }}.may_be_well(text, {{ private }}.report) is 'Whether an instance that made no progress does now, or has nothing left to make progress with.';

create or replace function {{ private }}.without_progress()
    returns table (instance_id text)
    language sql volatile
as $function$
    select i.instance_id
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    where i.status = 'active'
        -- as of its last beat, which is when it could have said so; a count of what was processed may stand still for longer
        -- than sound does, and who has never shown progress is not judged
        and h.beat_at - greatest(h.progress_at, i.registered_at) >= case
            when h.progressing is not null then {{ private }}.setting_interval('stall_timeout')
            when h.progress_at is not null then greatest(
                {{ private }}.setting_interval('stall_timeout'), {{ private }}.setting_interval('heartbeat_timeout')
            )
        end
        and {{ private }}.should_progress(i.instance_id)
$function$;
comment on function {{ private }}.without_progress() is 'Instances that beat, have streams to hear and hear nothing.';

create or replace function {{ private }}.standbys_of_stalled()
    returns table (stream_id bigint, standby_id text, hears boolean)
    language sql volatile
as $function$
    select t.stream_id, s.instance_id, not {{ private }}.standby_is_silent(h.standbys_silent, s.number)
    from {{ private }}.stall as t
    join {{ private }}.assignment as a
        on a.stream_id = t.stream_id and a.instance_id = t.instance_id and a.epoch = t.epoch and a.state = 'running'
    join {{ private }}.standby as s on s.stream_id = t.stream_id and s.state = 'hearing'
    join {{ private }}.heartbeat as h on h.instance_id = s.instance_id
    join {{ private }}.instance as o on o.instance_id = a.instance_id
    -- it names a standby that has been silent for 10 seconds: a beat that is so much younger than the silence has said whether it hears
    where h.beat_at >= t.silent_since + interval '20 seconds'
        and s.heard_since < h.beat_at
        -- no other hears for an owner that stops by itself before it has stopped
        and o.stop_within is null
        and not exists (select from {{ private }}.station_fault as f where f.stream_id = t.stream_id)
$function$;
comment on function {{ private }}.standbys_of_stalled() is 'Stalled streams of which it is known whether their standbys hear them.';
