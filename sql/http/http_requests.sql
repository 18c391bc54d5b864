-- What the three dialects call the same things, and how the manual's own is read. How the two of the field are: http_clients.sql.
--   main     instance_id                              commands come with the beats
--   server   server_id                                asks for streams, gives them back, compares
--   worker   the paths under /api: instance_id, worker_instance_id, worker_id     asks for streams

create or replace function {{ private }}.http_dialect(p_request jsonb, p_dialect text)
    returns text
    language sql volatile
as $function$
    select coalesce(p_dialect, case when p_request ? 'server_id' then 'server' else 'main' end)
$function$;
comment on function {{ private }}.http_dialect(jsonb, text) is 'The dialect of a request: by its path, else by its keys.';

create or replace function {{ private }}.http_speaker(p_request jsonb)
    returns {{ private }}.http_session
    language plpgsql volatile
as $function$
begin
    return {{ private }}.http_session_of({{ private }}.http_instance_id(p_request, 'instance_id'));
end
$function$;
comment on function {{ private }}.http_speaker(jsonb) is 'The session of the instance that a request names.';

create or replace function {{ private }}.http_registration(p_request jsonb)
    returns jsonb
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.http_text(p_request, 'status');
    return jsonb_build_object(
        'instance_id', {{ private }}.http_instance_id(p_request, 'instance_id'),
        'max_streams', {{ private }}.http_integer(p_request, 'max_streams', 1, 1000, true),
        'capabilities', to_jsonb({{ private }}.http_names(p_request, 'capabilities')),
        'version', {{ private }}.http_text(p_request, 'version'),
        'location', {{ private }}.http_text(p_request, 'location')
    );
end
$function$;
comment on function {{ private }}.http_registration(jsonb) is 'A registration in the manual''s dialect, in the words of register_instance.';

create or replace function {{ private }}.http_report(p_request jsonb, p_count bigint)
    returns jsonb
    language sql volatile
as $function$
    select jsonb_build_object(
        'status', {{ private }}.http_text(p_request, 'status'),
        'timestamp', {{ private }}.http_moment(p_request, 'timestamp'),
        'last_activity', {{ private }}.http_moment(p_request, 'last_activity'),
        'current_streams', p_count,
        'processed_count', {{ private }}.http_integer(p_request, 'processed_count', 0, 1000000000000000),
        'error_count', {{ private }}.http_integer(p_request, 'error_count', 0, 1000000000000000),
        'cpu_usage', {{ private }}.http_number(p_request, 'cpu_usage', 0, 100000),
        'memory_usage', {{ private }}.http_number(p_request, 'memory_usage', 0, 100000),
        'round_trip', {{ private }}.http_number(p_request, 'round_trip', 0, 86400)
    )
$function$;
comment on function {{ private }}.http_report(jsonb, bigint) is 'A beat in the manual''s dialect, in the words of heartbeat.';
