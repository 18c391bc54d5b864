-- Freeze balancing. Placement, failover and drains go on.
-- Locks     decision
-- Writes    controller
-- Raises    55P03
create or replace function {{ api }}.pause_balancing(p_reason text default null)
    returns table (paused_at timestamptz, paused_by text, reason text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.lock_decisions();
    update {{ private }}.controller as c
    set paused_at = {{ private }}.now(), paused_by = {{ private }}.actor(), paused_reason = p_reason
    where c.paused_at is null;
    return query select c.paused_at, c.paused_by, c.paused_reason from {{ private }}.controller as c;
end
$function$;
comment on function {{ api }}.pause_balancing(text) is
'Freeze balancing. Failover, placement and drains go on.
p_reason: why, for the record.
paused_at: since when it is paused.
paused_by: the login that paused it.
reason: why it was paused.
Raises: 55P03.
Example: select * from {{ api }}.pause_balancing(''network maintenance'');';
revoke all on function {{ api }}.pause_balancing(text) from public;
grant execute on function {{ api }}.pause_balancing(text) to {{ admin }};
