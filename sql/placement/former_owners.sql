-- A station that was switched off, or whose row was missing, and is to be heard again. Who had it a moment ago gets it back, under a
-- new epoch: an instance that has not stopped yet goes on, and of what it hears nothing is lost. Else any other would begin while it
-- may still be heard there.
-- Every caller holds the decision lock, and has let the streams wait (activate_streams, add_assignments).
-- Locks     stream and assignment rows (by id)
-- Reads     withdrawal, movement, refusal, instance
-- Writes    assignment, movement, withdrawal

create or replace function {{ private }}.former_owners(p_stream_ids bigint[])
    returns table (stream_id bigint, instance_id text, run_under bigint)
    language sql volatile
as $function$
    with former as (
        select distinct on (a.stream_id)
            a.stream_id, s.url, a.requirement_id, a.pinned_to, o.instance_id, case when o.runs then o.epoch end as run_under
        from {{ private }}.assignment as a
        join {{ private }}.stream as s on s.stream_id = a.stream_id
        cross join lateral (
            -- has not said that it has stopped
            select w.instance_id, w.epoch, w.withdrawn_at as had_until, true as runs
            from {{ private }}.withdrawal as w
            where w.stream_id = a.stream_id
            union all
            -- the same, of a stream of this address that was removed; what others were promised waits (free_at)
            select w.instance_id, w.epoch, w.withdrawn_at, false
            from {{ private }}.withdrawal as w
            where md5(w.url) = md5(s.url) and w.url is not null and a.waiting_since <= {{ private }}.now()
            union all
            -- has said so just now
            select m.from_instance_id, m.from_epoch, m.moved_at, false
            from (
                select l.from_instance_id, l.from_epoch, l.to_instance_id, l.moved_at
                from {{ private }}.movement as l
                where l.stream_id = a.stream_id
                order by l.epoch desc
                limit 1
            ) as m
            where m.to_instance_id is null and m.moved_at > {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout')
        ) as o
        where a.stream_id = any(p_stream_ids) and a.state = 'waiting'
        order by a.stream_id, o.had_until desc, o.epoch desc, o.runs desc
    ),
    able as (
        select
            f.stream_id, f.instance_id, p.ceiling - p.planned as room,
            -- clients over HTTP know no epochs
            case when not coalesce(i.metadata ? 'http', false) then f.run_under end as run_under,
            row_number() over (partition by f.instance_id order by f.stream_id) as place
        from former as f
        join {{ private }}.placeable_instances() as p on p.instance_id = f.instance_id
        join {{ private }}.instance as i on i.instance_id = f.instance_id
        join {{ private }}.requirement as r on r.requirement_id = f.requirement_id
        where p.capabilities @> r.capabilities
            and coalesce(f.pinned_to, f.instance_id) = f.instance_id
            and not exists (
                select from {{ private }}.refusal as n
                where n.stream_id = f.stream_id and n.instance_id = f.instance_id and n.until > {{ private }}.now()
            )
            -- that one may run it, and has promised to stop
            and not exists (
                select from {{ private }}.withdrawal as w
                join {{ private }}.instance as o on o.instance_id = w.instance_id
                where (w.stream_id = f.stream_id or md5(w.url) = md5(f.url))
                    and w.instance_id <> f.instance_id
                    and o.stop_within is not null
            )
    )
    select a.stream_id, a.instance_id, a.run_under from able as a where a.place <= a.room order by a.stream_id
$function$;
comment on function {{ private }}.former_owners(bigint[]) is 'Which of these waiting streams an instance had a moment ago that can have them again, and the epoch under which it may still run them.';

create or replace function {{ private }}.return_to_owners(p_decision_id bigint, p_stream_ids bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_to text[];
    v_run_under bigint[];
    v_returned integer;
begin
    -- nearly always none of them was ever heard
    if not exists (select from {{ private }}.movement as m where m.stream_id = any(p_stream_ids))
        and not exists (select from {{ private }}.withdrawal as w where w.stream_id = any(p_stream_ids))
        and not exists (
            select from {{ private }}.stream as s
            join {{ private }}.withdrawal as w on md5(w.url) = md5(s.url) and w.url is not null
            where s.stream_id = any(p_stream_ids)
        )
    then
        return 0;
    end if;
    select array_agg(f.stream_id), array_agg(f.instance_id), array_agg(f.run_under)
    into v_stream_ids, v_to, v_run_under
    from {{ private }}.former_owners(p_stream_ids) as f;
    if v_stream_ids is null then
        return 0;
    end if;
    v_returned := {{ private }}.give_streams(
        p_decision_id, v_stream_ids, array_fill(null::text, array[cardinality(v_stream_ids)]), v_to, 'returned', v_run_under
    );
    delete from {{ private }}.withdrawal as w
    using unnest(v_stream_ids, v_to) as u(stream_id, instance_id)
    where w.stream_id = u.stream_id and w.instance_id = u.instance_id;
    return v_returned;
end
$function$;
comment on function {{ private }}.return_to_owners(bigint, bigint[]) is 'Give those of these waiting streams back that an instance had a moment ago; returns how many.';
