-- What acknowledge does, for a worker and for an instance that speaks HTTP alike.
-- Locks     decision (shared when there are only starts of what is its own); assignment rows (by id)
-- Writes    assignment, withdrawal, refusal, movement, decision, metric_count
-- Notifies  the next owners; the old owners of what was prepared
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03

create or replace function {{ private }}.apply_acknowledgement(
    p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb,
    p_stopped_epochs bigint[]
)
    returns table (started integer, stopped integer, failed integer, ignored integer)
    language plpgsql volatile
as $function$
declare
    v_started integer := 0;
    v_stopped integer := 0;
    v_failed integer := 0;
    v_said integer;
    v_decides boolean;
    v_stops bigint[];
    v_stop_epochs bigint[];
begin
    perform {{ private }}.require_argument(
        'p_started_epochs', coalesce(cardinality(p_started), 0) = coalesce(cardinality(p_started_epochs), 0),
        jsonb_build_object('p_started', coalesce(cardinality(p_started), 0), 'p_started_epochs', coalesce(cardinality(p_started_epochs), 0)),
        'one epoch for each started stream'
    );
    perform {{ private }}.require_argument(
        'p_stopped_epochs', p_stopped_epochs is null or coalesce(cardinality(p_stopped), 0) = cardinality(p_stopped_epochs),
        jsonb_build_object('p_stopped', coalesce(cardinality(p_stopped), 0), 'p_stopped_epochs', cardinality(p_stopped_epochs)),
        'one epoch for each stopped stream, or none at all'
    );
    perform {{ private }}.require_argument(
        'p_failed', p_failed is null or jsonb_typeof(p_failed) = 'array', p_failed, 'a JSON array of {"stream_id", "epoch", "error"}'
    );
    perform {{ private }}.require_few('p_started', cardinality(p_started));
    perform {{ private }}.require_few('p_stopped', cardinality(p_stopped));
    perform {{ private }}.require_few('p_failed', jsonb_array_length(p_failed));
    v_said := coalesce(cardinality(p_started), 0) + coalesce(cardinality(p_stopped), 0) + coalesce(jsonb_array_length(p_failed), 0);
    v_decides := coalesce(cardinality(p_stopped), 0) + coalesce(jsonb_array_length(p_failed), 0) > 0
        -- what it prepared becomes its own; one that is missed here it says again with its next beat
        or exists (select from {{ private }}.assignment as a where a.next_instance_id = p_instance_id and a.stream_id = any(p_started));
    if v_decides or {{ private }}.is_same_database() is not true then
        perform {{ private }}.lock_decisions();
    else
        perform {{ private }}.lock_decisions_shared();
    end if;
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);

    if cardinality(p_stopped) > 0 then
        -- What it says it runs it has not stopped: a stop beside it speaks of what was before.
        select array_agg(u.stream_id), array_agg(least(u.epoch, r.epoch - 1))
        into v_stops, v_stop_epochs
        from unnest(p_stopped, p_stopped_epochs) as u(stream_id, epoch)
        left join (
            select t.stream_id, min(t.epoch) as epoch from unnest(p_started, p_started_epochs) as t(stream_id, epoch) group by t.stream_id
        ) as r on r.stream_id = u.stream_id;
        v_stopped := {{ private }}.confirm_stops(p_instance_id, v_stops, v_stop_epochs);
        -- a hand-over that was called off when it had stopped already: it is to start again
        perform {{ private }}.await_restarts(
            p_instance_id,
            array(select o.stream_id from {{ private }}.stopped_ownerships(p_instance_id, v_stops, v_stop_epochs) as o where o.state = 'running')
        );
    end if;
    if cardinality(p_started) > 0 then
        v_started := {{ private }}.confirm_starts(p_instance_id, p_started, p_started_epochs);
        if v_decides then
            v_started := v_started + {{ private }}.confirm_preparations(p_instance_id, p_started, p_started_epochs);
        end if;
        if 0 > any(p_started_epochs) then
            v_started := v_started + {{ private }}.confirm_standbys(p_instance_id, p_started, p_started_epochs);
        end if;
    end if;
    if jsonb_array_length(p_failed) > 0 then
        v_failed := {{ private }}.record_stream_failures(p_instance_id, p_failed) + {{ private }}.note_failed_preparations(p_instance_id, p_failed)
            + {{ private }}.note_failed_standbys(p_instance_id, p_failed);
    end if;
    return query select v_started, v_stopped, v_failed, v_said - v_started - v_stopped - v_failed;
end
$function$;
comment on function {{ private }}.apply_acknowledgement(text, bigint, bigint[], bigint[], bigint[], jsonb, bigint[]) is 'Confirm starts and stops and record failures; how many of each concerned this instance, and how many did not.';
