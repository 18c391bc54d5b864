-- Job: a stream whose owner has not let go within handoff_timeout is taken from it; the fence refuses what it still writes.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    assignment, movement, withdrawal
-- Notifies  both instances

create or replace function {{ private }}.finish_handoffs()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_deadline timestamptz := {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout');
    v_forced integer;
begin
    -- ordered as the index has them, so that it is read and not the table
    if (
        select true
        from {{ private }}.assignment as a
        where a.releasing_since is not null and a.releasing_since <= v_deadline
        order by a.decision_id
        limit 1
    ) is null then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    v_forced := {{ private }}.complete_handovers(
        array(
            select a.stream_id
            from {{ private }}.assignment as a
            where a.releasing_since is not null and a.releasing_since <= v_deadline
            order by a.decision_id
            limit 10000
        ),
        'hand-over forced', false
    );
    -- none, when their owners were faster
    return case when v_forced > 0 then jsonb_build_object('forced', v_forced) end;
end
$function$;
comment on function {{ private }}.finish_handoffs() is 'Job finish_handoffs: end hand-overs that their owners have not confirmed in time.';
