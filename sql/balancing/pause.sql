-- What a pause of balancing forbids.
-- Reads     controller
-- Raises    OR401 balancing is paused

create or replace function {{ private }}.refuse_when_paused()
    returns void
    language plpgsql volatile
as $function$
declare
    v_controller {{ private }}.controller;
begin
    select * into v_controller from {{ private }}.controller;
    if v_controller.paused_at is not null then
        raise exception using
            errcode = 'OR401',
            message = 'balancing is paused',
            detail = jsonb_build_object(
                'paused_at', v_controller.paused_at, 'paused_by', v_controller.paused_by, 'reason', v_controller.paused_reason
            )::text,
            hint = 'select * from {{ api }}.resume_balancing() ends the pause';
    end if;
end
$function$;
comment on function {{ private }}.refuse_when_paused() is 'Refuse (OR401) while balancing is paused.';
