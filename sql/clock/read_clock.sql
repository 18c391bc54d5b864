-- What the server's clock says, for a driver that compares it with a clock of its own.
-- Reads     controller
create or replace function {{ api }}.read_clock()
    returns table (clock timestamptz, stepped interval)
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $function$
    select {{ private }}.now(), c.clock_stepped from {{ private }}.controller as c
$function$;
comment on function {{ api }}.read_clock() is
'What the server''s clock says. A driver compares it with a clock of its own that does not step, each time before it asks for a job.
clock: the time now.
stepped: all steps of the clock that are known, added up. The clock less this goes steadily, or the clock has stepped anew.
Example: select clock, stepped from {{ api }}.read_clock();';
revoke all on function {{ api }}.read_clock() from public;
grant execute on function {{ api }}.read_clock() to {{ admin }};
