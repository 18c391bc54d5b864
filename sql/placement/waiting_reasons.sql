-- Why streams wait, for those who ask: diagnosis, health, the account of what was not heard.
-- Reads     assignment, requirement, refusal, instance, instance_load, pull_client

create or replace function {{ private }}.waiting_reasons()
    returns table (reason text, requirement_id integer, capabilities text[], stream_id bigint, waiting_since timestamptz)
    language sql volatile
as $function$
    with placeable as materialized (
        select p.instance_id, p.capabilities, p.ceiling - p.planned as room from {{ private }}.placeable_instances() as p
        union all
        -- better than none
        select p.instance_id, p.capabilities, p.ceiling - p.planned from {{ private }}.placeable_instances(true) as p
    ),
    unowned as materialized (
        select a.stream_id, a.requirement_id, a.waiting_since
        from {{ private }}.assignment as a
        where a.waiting_since is not null
        order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
        limit 1000000
    ),
    waiting as materialized (
        select n.* from unowned as n
        union all
        -- a lost instance keeps what no other can take
        select a.stream_id, a.requirement_id, i.status_changed_at
        from {{ private }}.instance as i
        join {{ private }}.assignment as a on a.instance_id = i.instance_id
        where i.status = 'inactive'
    ),
    -- for each kind of stream: how many instances are able, and the places that those have
    reach as materialized (
        select
            r.requirement_id, r.capabilities, count(p.instance_id) as able,
            coalesce(sum(p.room) filter (where p.room > 0), 0) as room
        from {{ private }}.requirement as r
        left join placeable as p on p.capabilities @> r.capabilities
        where r.requirement_id in (select w.requirement_id from waiting as w)
        group by r.requirement_id
    )
    select
        case
            when not exists (select from placeable) or r.room = 0 then case
                when exists (
                    select from {{ private }}.instance as i
                    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
                    join {{ private }}.pull_client as c on c.instance_id = i.instance_id and not c.has_left
                    where i.placement = 'pull' and i.is_living and i.standing_order is null and i.capabilities @> r.capabilities and l.owned < i.max_streams
                ) then 'no ask'
                when not exists (select from placeable) then 'no instance'
                when r.able = 0 then 'no ability'
                else 'no room'
            end
            when exists (
                select from {{ private }}.refusal as f where f.stream_id = w.stream_id and f.until > {{ private }}.now()
            ) and not exists (
                select from placeable as p
                where p.capabilities @> r.capabilities
                    and p.room > 0
                    and not exists (
                        select from {{ private }}.refusal as f
                        where f.stream_id = w.stream_id and f.instance_id = p.instance_id and f.until > {{ private }}.now()
                    )
            ) then 'refused'
            else 'room'
        end,
        w.requirement_id, r.capabilities, w.stream_id, w.waiting_since
    from waiting as w
    join reach as r on r.requirement_id = w.requirement_id
$function$;
comment on function {{ private }}.waiting_reasons() is 'Why each waiting stream waits: no instance, no ability, no room, no ask (a client that asks for its streams has room, and may only be given one at a time until it begins anew), refused, or room (it could be placed).';
