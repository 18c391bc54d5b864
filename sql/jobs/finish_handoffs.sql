-- Job: a stream whose owner has not let go within handoff_timeout is taken from it; the fence refuses what it still writes.
-- An owner that stops by itself has twice its lease at least: within one it has stopped or has heard that it must, within
-- another it has obeyed.
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
begin
    if not exists (select from {{ private }}.overdue_handovers(1)) then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    v_forced := {{ private }}.complete_handovers(
        array(select o.stream_id from {{ private }}.overdue_handovers(10000) as o(stream_id)),
        'hand-over forced', false
    );
    -- none, when their owners were faster
    return case when v_forced > 0 then jsonb_build_object('forced', v_forced) end;
end
$function$;
comment on function {{ private }}.finish_handoffs() is 'Job finish_handoffs: end hand-overs that their owners have not confirmed in time.';
