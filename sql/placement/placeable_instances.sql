-- Who can be given streams, and how much room each has.
-- planned = what an instance will have when all hand-overs are done. Streams that are leaving still take their place until
-- they have left, so owned + incoming never exceeds max_streams.
-- An instance on probation (probation.sql) is asked for by name: it gets what no other has room for.
-- Reads     instance, instance_load, heartbeat, setting

create or replace function {{ private }}.placeable_instances(p_on_probation boolean default false)
    returns table (
        instance_id text, max_streams integer, weight double precision, planned integer, ceiling integer,
        capabilities text[], location text
    )
    language sql stable
as $function$
    select
        i.instance_id,
        i.max_streams,
        i.max_streams * case
            -- asked for each instance, and under this strategy only
            when (select s.value from {{ private }}.setting as s where s.name = 'strategy') = 'performance' then coalesce(
                (
                    -- the part of the work that succeeds, never below a tenth, so that a bad hour does not end an instance
                    select greatest(0.1, h.processed_count::double precision / (h.processed_count + h.error_count))
                    from {{ private }}.heartbeat as h
                    where h.instance_id = i.instance_id and h.processed_count + h.error_count > 0
                ), 1.0
            )
            else 1.0
        end,
        l.owned - l.outgoing + l.incoming,
        -- above its capacity (it was lowered) an instance has no room, but keeps what it can when the rest has left
        greatest(i.max_streams - l.outgoing, least(l.owned - l.outgoing + l.incoming, i.max_streams)),
        i.capabilities,
        i.location
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.is_placeable
        and i.placement = 'push'
        and i.standing_order is null
        and (i.suspended_until is null)
        -- what is not known when it is planned is taken for half of them
        and case when p_on_probation then i.probation_until is not null else i.probation_until is null end
$function$;
comment on function {{ private }}.placeable_instances(boolean) is 'Instances that may be given streams at any time: their weight under the present strategy, planned load and the ceiling that it may reach.';

create or replace function {{ private }}.any_instance_is_placeable()
    returns boolean
    language sql stable
begin atomic
    -- whether on probation or not, and however loaded
    select exists (
        select from {{ private }}.instance as i
        where i.is_placeable and i.standing_order is null and i.suspended_until is null
    );
end;
comment on function {{ private }}.any_instance_is_placeable() is 'Whether any instance may be given streams.';
