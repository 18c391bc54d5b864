-- Silence counts only while somebody looks at the instances: a clock that goes forward cannot be told from an absence of all drivers
-- by who knows no other clock. Of the time between two looks 5 s count, or a little more than was usual lately.
-- Locks     decision (when a look comes late); controller
-- Reads     job
-- Writes    controller

create or replace function {{ private }}.note_look()
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_last timestamptz := (select j.last_started_at from {{ private }}.job as j where j.job = 'watch_instances');
    v_usual interval := (select c.looked_every from {{ private }}.controller as c);
    v_counts interval := greatest(interval '5 seconds', v_usual * 1.5);
begin
    if v_last is null or v_usual is null and v_last >= v_now - interval '5 seconds' then
        return;
    end if;
    perform {{ private }}.lock_decisions();
    update {{ private }}.controller as c
    set
        looked_every = case when v_last < v_now - interval '5 seconds' then v_now - v_last end,
        unwatched = case
            when v_last + v_counts < v_now
                then c.unwatched * tstzmultirange(tstzrange(v_now - interval '2 days', null)) + tstzmultirange(tstzrange(v_last + v_counts, v_now))
            else c.unwatched
        end;
end
$function$;
comment on function {{ private }}.note_look() is 'The instances are looked at: of the time since the last look 5 s count as silence, or a little more than was usual lately.';
