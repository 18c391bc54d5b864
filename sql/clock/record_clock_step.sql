-- A driver has measured that the server's clock stepped.
-- Locks     decision; controller; rows of the tables in stored_times.sql that no other session holds
-- Writes    clock_step, and all moments that move
-- Notifies  wake
-- Raises    OR101 bad argument · 55P03
create or replace function {{ api }}.record_clock_step(
    p_step interval, p_within interval, p_stepped interval, p_driver text default null
)
    returns table (recorded boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument(
        'p_step', abs(extract(epoch from p_step)) between 1 and 4e9, to_jsonb(p_step), 'at least a second, forward or (less than nothing) back'
    );
    perform {{ private }}.require_interval('p_within', p_within, '0', '10 years');
    perform {{ private }}.require_argument(
        'p_stepped', abs(extract(epoch from p_stepped)) <= 1e10, to_jsonb(p_stepped), 'what read_clock said'
    );
    perform {{ private }}.lock_decisions();
    -- each driver notices it; the first to say so counts
    recorded := exists (select from {{ private }}.controller as c where c.clock_stepped = p_stepped);
    if recorded then
        perform {{ private }}.step_clock(p_step, p_within, coalesce(p_driver, {{ private }}.actor()));
    end if;
    return next;
end
$function$;
comment on function {{ api }}.record_clock_step(interval, interval, interval, text) is
'Record that the server''s clock stepped, as a driver has measured against a clock that does not step. Every stored moment that is compared with now moves with the clock, so nothing else happens for it.
p_step: by how much, less than nothing when it went back.
p_within: how long ago it was at most.
p_stepped: what read_clock said when it was measured. When another driver has recorded a step meanwhile, this one is left out.
p_driver: the name of the caller; else its login.
recorded: whether it was recorded; else read the clock again.
Raises: OR101, 55P03.
Example: select recorded from {{ api }}.record_clock_step(''-1 hour'', ''1 second'', ''0'');';
revoke all on function {{ api }}.record_clock_step(interval, interval, interval, text) from public;
grant execute on function {{ api }}.record_clock_step(interval, interval, interval, text) to {{ admin }};
