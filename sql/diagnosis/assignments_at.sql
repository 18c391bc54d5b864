-- Who had which stream at a moment of the past. The past is read from its end: an assignment was what its first change after the moment
-- found, or what it is now where no change came after.
-- Reads     past_assignment, past_instance, history_bound, assignment, instance, movement
-- Raises    OR101 a moment before the history, or one that is still to come
create or replace function {{ api }}.assignments_at(p_at timestamptz)
    returns table (stream_id bigint, instance_id text, epoch bigint, state text)
    -- stable: all that it reads is of one moment, also when a purge comes between
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_is_recorded boolean := (select p_at >= b.recorded_from from {{ private }}.history_bound as b);
begin
    perform {{ private }}.require_history('p_at', p_at);
    return query
    with recursive
    -- streams that have a past, removed ones too: one look at the index for each
    with_past as (
        select min(p.stream_id) as stream_id from {{ private }}.past_assignment as p
        union all
        select (select min(p.stream_id) from {{ private }}.past_assignment as p where p.stream_id > w.stream_id)
        from with_past as w
        where w.stream_id is not null
    ),
    known as (
        select w.stream_id from with_past as w where w.stream_id is not null
        union
        select a.stream_id from {{ private }}.assignment as a where a.instance_id is not null
    ),
    held as (
        select
            k.stream_id, coalesce(p.instance_id, a.instance_id) as instance_id, coalesce(p.epoch, a.epoch) as epoch,
            coalesce(p.state, a.state) as state
        from known as k
        left join lateral (
            select c.past_assignment_id, c.instance_id, c.epoch, c.state
            from {{ private }}.past_assignment as c
            where c.stream_id = k.stream_id and c.until > p_at
            order by c.until, c.past_assignment_id
            limit 1
        ) as p on true
        left join {{ private }}.assignment as a on a.stream_id = k.stream_id and p.past_assignment_id is null
        where p.instance_id is not null or a.instance_id is not null
    ),
    lost as (
        select n.instance_id
        from (select distinct h.instance_id from held as h) as n
        left join lateral (
            select c.was_lost
            from {{ private }}.past_instance as c
            where c.instance_id = n.instance_id and c.until > p_at
            order by c.until, c.past_instance_id
            limit 1
        ) as p on true
        left join {{ private }}.instance as i on i.instance_id = n.instance_id
        where coalesce(p.was_lost, i.status = 'inactive')
    )
    select
        h.stream_id,
        h.instance_id,
        case
            -- of an older time: what is known of an ownership's epoch is the last one, which is the first one if it was given with the stream
            when v_is_recorded or exists (
                select from {{ private }}.movement as m where m.stream_id = h.stream_id and m.epoch = h.epoch and m.moved_at <= p_at
            ) then h.epoch
        end,
        case
            when not v_is_recorded then null
            when l.instance_id is not null then 'waiting'
            else h.state
        end
    from held as h
    left join lost as l on l.instance_id = h.instance_id
    order by h.stream_id;
end
$function$;
comment on function {{ api }}.assignments_at(timestamptz) is
'Who had which stream at a moment of the past, as the view assignments showed it then. Streams that were removed since are there; streams that had no owner are not. Where the server''s clock was set back, a moment that it said twice means the second time. What happened between a backup and its restore is not known: the answer for that time is what the backup knew.
p_at: the moment, within history_retention; an error says in its detail which one is the oldest.
stream_id: the stream; one that was removed since has no name any more.
instance_id: who had it.
epoch: under which epoch; null for a moment before the upgrade that began to record epochs, where it is not known otherwise.
state: assigned, running or releasing; waiting: its instance was lost, and no other could take it. Null for a moment before that upgrade.
Raises: OR101.
Example: select instance_id, count(*) from {{ api }}.assignments_at((select max(decided_at) from {{ api }}.decisions)) group by instance_id;';
revoke all on function {{ api }}.assignments_at(timestamptz) from public;
grant execute on function {{ api }}.assignments_at(timestamptz) to {{ reader }}, {{ admin }};
