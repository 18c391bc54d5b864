-- Job: a stream whose owner has not let go within handoff_timeout is taken from it; the fence refuses what it still writes.
-- An owner that stops by itself has twice its lease at least: within one it has stopped or has heard that it must, within
-- another it has obeyed.
-- A next owner that does not say within that time that it hears what it prepares gets it as in the other mode; one that gets
-- nothing any more does not prepare any more.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    assignment, movement, withdrawal
-- Notifies  both instances

create or replace function {{ private }}.overdue_handovers(p_limit integer)
    returns setof bigint
    language sql volatile
as $function$
    select a.stream_id
    from {{ private }}.assignment as a
    where a.releasing_since <= {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout')
        and not a.make_before_break
        and not exists (
            select from {{ private }}.instance as i
            where i.instance_id = a.instance_id and i.stop_within is not null and a.releasing_since > {{ private }}.now() - 2 * i.lease
        )
    order by a.decision_id -- as the index has them, so that it is read and not the table
    limit p_limit
$function$;
comment on function {{ private }}.overdue_handovers(integer) is 'Streams that are to be taken from their owners now.';

create or replace function {{ private }}.finish_handoffs()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_forced integer;
    v_fell_back integer;
    v_called_off integer;
begin
    if not exists (
        select from {{ private }}.overdue_handovers(1)
        union all
        select from {{ private }}.ended_preparations(true, 1)
        union all
        select from {{ private }}.ended_preparations(false, 1)
    ) then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    select c.completed into v_forced
    from {{ private }}.complete_handovers(
        array(select o.stream_id from {{ private }}.overdue_handovers(10000) as o(stream_id)),
        'hand-over forced', false
    ) as c;
    v_fell_back := {{ private }}.fall_back(array(select e.stream_id from {{ private }}.ended_preparations(true, 10000) as e(stream_id)));
    v_called_off := {{ private }}.call_off_preparations(
        array(select e.stream_id from {{ private }}.ended_preparations(false, 10000) as e(stream_id))
    );
    -- none, when their owners were faster
    return nullif(
        jsonb_strip_nulls(jsonb_build_object(
            'forced', nullif(v_forced, 0), 'fell_back', nullif(v_fell_back, 0), 'called_off', nullif(v_called_off, 0)
        )), '{}'
    );
end
$function$;
comment on function {{ private }}.finish_handoffs() is 'Job finish_handoffs: end hand-overs that their owners have not confirmed in time.';
