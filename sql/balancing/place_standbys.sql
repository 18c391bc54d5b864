-- Job: every stream that shall have a standby has one, on a host that its owner is not on. Standbys that may not be any more end
-- first, and those for which there is no room any more. First standbys are given while balancing is paused and in recovery mode,
-- too; levelling them waits. Where there are no standbys this is one look.
-- Locks     decision (only when there is something to do); standby rows; instance_load rows
-- Writes    standby, instance_load
-- Notifies  the instances whose standbys begin or end

create or replace function {{ private }}.owners_with_other_beats()
    returns table (instance_id text, has_standbys boolean)
    language sql volatile
as $function$
    select l.instance_id, h.has_standbys
    from {{ private }}.instance_load as l
    cross join lateral (
        select exists (
            select from {{ private }}.standby as s
            join {{ private }}.assignment as a on a.stream_id = s.stream_id
            where s.ended_at is null and a.instance_id = l.instance_id
        )
    ) as h(has_standbys)
    where l.has_standbys <> h.has_standbys
$function$;
comment on function {{ private }}.owners_with_other_beats() is 'Instances that are to beat more often, or no longer, because of standbys of their streams.';

create or replace function {{ private }}.place_standbys()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_ended integer;
    v_gave_way integer;
    v_placed integer;
    v_levelled integer := 0;
    v_frozen boolean := {{ private }}.balancing_is_frozen();
begin
    if not exists (select from {{ private }}.standby) and not {{ private }}.standbys_are_on()
        and not exists (select from {{ private }}.instance_load as l where l.has_standbys)
    then
        return null;
    end if;
    if not exists (
        select from {{ private }}.standbys_over()
        union all
        select from {{ private }}.standby_groups()
        union all
        select from {{ private }}.owners_with_other_beats()
        union all
        select from {{ private }}.standby as s where s.ended_at <= {{ private }}.now() - interval '1 hour'
        union all
        select from {{ private }}.instance_load as l
        join {{ private }}.instance as i on i.instance_id = l.instance_id
        where l.standbys > 0 and l.owned + l.incoming + l.standbys > i.max_streams
        union all
        select from {{ private }}.standbys_to_level() where not v_frozen
    ) then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    v_ended := {{ private }}.end_standbys(array(select {{ private }}.standbys_over()), 'ended');
    v_gave_way := {{ private }}.yield_standbys();
    v_placed := {{ private }}.place_missing_standbys();
    if not v_frozen then
        v_levelled := {{ private }}.level_standbys();
    end if;
    update {{ private }}.instance_load as l
    set has_standbys = o.has_standbys
    from {{ private }}.owners_with_other_beats() as o
    where l.instance_id = o.instance_id;
    -- their workers have been told for long
    delete from {{ private }}.standby as s where s.ended_at <= {{ private }}.now() - interval '1 hour';
    return nullif(
        jsonb_strip_nulls(jsonb_build_object(
            'ended', nullif(v_ended, 0), 'gave_way', nullif(v_gave_way, 0), 'placed', nullif(v_placed, 0),
            'levelled', nullif(v_levelled, 0)
        )), '{}'
    );
end
$function$;
comment on function {{ private }}.place_standbys() is 'Job place_standbys: end standbys that may not be any more, and give every stream that shall have one a standby.';
