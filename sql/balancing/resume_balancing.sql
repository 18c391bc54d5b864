-- Balance again, beginning with what has become unfair meanwhile.
-- Locks     decision
-- Writes    controller, settle_request
-- Raises    55P03
create or replace function {{ api }}.resume_balancing()
    returns table (was_paused_at timestamptz, was_paused_by text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_controller {{ private }}.controller;
begin
    perform {{ private }}.lock_decisions();
    select * into v_controller from {{ private }}.controller;
    if v_controller.paused_at is not null then
        update {{ private }}.controller set paused_at = null, paused_by = null, paused_reason = null;
        perform {{ private }}.request_settle('resumed');
    end if;
    return query select v_controller.paused_at, v_controller.paused_by;
end
$function$;
comment on function {{ api }}.resume_balancing() is
'Balance again, beginning with what has become unfair meanwhile.
was_paused_at: since when it was paused; null when it was not.
was_paused_by: the login that had paused it.
Raises: 55P03.
Example: select * from {{ api }}.resume_balancing();';
revoke all on function {{ api }}.resume_balancing() from public;
grant execute on function {{ api }}.resume_balancing() to {{ admin }};
