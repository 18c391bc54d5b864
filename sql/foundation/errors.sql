-- Refusals that several functions raise.
-- Raises    OR102 unknown stream · OR103 unknown instance · OR107 unknown alert

create or replace function {{ private }}.unknown_instance(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR103',
        message = 'unknown instance',
        detail = jsonb_build_object('instance_id', p_instance_id)::text,
        hint = 'select instance_id, status from {{ api }}.instances lists those that are known';
end
$function$;
comment on function {{ private }}.unknown_instance(text) is 'Refuse with OR103.';

create or replace function {{ private }}.unknown_stream(p_stream_id bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR102',
        message = 'unknown stream',
        detail = jsonb_build_object('stream_id', p_stream_id)::text,
        hint = 'select stream_id, name from {{ api }}.streams lists those that are known';
end
$function$;
comment on function {{ private }}.unknown_stream(bigint) is 'Refuse with OR102.';

create or replace function {{ private }}.unknown_alert(p_alert_id bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR107',
        message = 'unknown alert',
        detail = jsonb_build_object('alert_id', p_alert_id)::text,
        hint = 'select alert_id, code, subject from {{ api }}.alerts lists them';
end
$function$;
comment on function {{ private }}.unknown_alert(bigint) is 'Refuse with OR107.';
