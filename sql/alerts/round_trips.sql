-- The round trips that workers report with their beats.
-- Reads     heartbeat
-- Writes    metric_count

create or replace function {{ private }}.count_round_trips(p_now timestamptz)
    returns void
    language plpgsql volatile
as $function$
declare
    v_metric constant text := 'orchestrator_beat_round_trip_seconds';
    -- a beat that is not committed yet is counted the next time
    v_to timestamptz := p_now - interval '1 second';
    v_round_trips double precision[];
begin
    select array_agg(h.round_trip::double precision) into v_round_trips
    from {{ private }}.heartbeat as h
    join {{ private }}.metric_count as c on c.metric = v_metric and c.label = ''
    where h.round_trip is not null and h.beat_at > coalesce(c.counted_to, '-infinity') and h.beat_at <= v_to;
    if v_round_trips is not null then
        perform {{ private }}.observe(v_metric, '', v_round_trips);
        update {{ private }}.metric_count as c set counted_to = v_to where c.metric = v_metric and c.label = '';
    end if;
end
$function$;
comment on function {{ private }}.count_round_trips(timestamptz) is 'Add up the round trips that beats told since the last time. Each beat counts once at most: of several in between only the last one is known.';
