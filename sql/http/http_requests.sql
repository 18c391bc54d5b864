-- What the three dialects call the same things.
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

create or replace function {{ private }}.http_speaker(p_request jsonb, p_dialect text)
    returns {{ private }}.http_session
    language plpgsql volatile
as $function$
begin
    return {{ private }}.http_session_of({{ private }}.http_instance_id(p_request, case
        when p_dialect = 'main' then 'instance_id'
        when p_dialect = 'server' then 'server_id'
        when p_request ? 'worker_instance_id' then 'worker_instance_id'
        else 'worker_id'
    end));
end
$function$;
comment on function {{ private }}.http_speaker(jsonb, text) is 'The session of the instance that a request of this dialect names.';

create or replace function {{ private }}.http_registration(p_request jsonb, p_dialect text)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_metadata jsonb := jsonb '{}';
    v_capabilities text[];
    v_address text;
begin
    case p_dialect
        when 'worker' then
            v_metadata := coalesce({{ private }}.http_field(p_request, 'metadata', '{object}', false, 'a JSON object'), '{}');
            v_capabilities := {{ private }}.http_names(v_metadata, 'capabilities') || array['audio_fingerprinting'];
        when 'main' then
            v_capabilities := {{ private }}.http_names(p_request, 'capabilities');
        else
            null; -- the other dialect has no word for them
    end case;
    if p_dialect <> 'main' then
        v_address := {{ private }}.http_text(p_request, 'ip')
            || ':' || coalesce({{ private }}.http_integer(p_request, 'port', 0, 65535), 0);
    end if;
    perform {{ private }}.http_text(p_request, 'status');
    return jsonb_build_object(
        'instance_id', {{ private }}.http_instance_id(p_request, case p_dialect when 'server' then 'server_id' else 'instance_id' end),
        'max_streams', {{ private }}.http_integer(p_request, case p_dialect when 'worker' then 'capacity' else 'max_streams' end, 1, 1000, true),
        'capabilities', to_jsonb(v_capabilities),
        'version', {{ private }}.http_text(case p_dialect when 'worker' then v_metadata else p_request end, 'version'),
        'location', case p_dialect
            when 'worker' then {{ private }}.http_text(v_metadata, 'region')
            when 'main' then {{ private }}.http_text(p_request, 'location')
        end,
        'address', v_address
    );
end
$function$;
comment on function {{ private }}.http_registration(jsonb, text) is 'A registration in any dialect, in the words of register_instance.';

create or replace function {{ private }}.http_report(p_request jsonb, p_count bigint)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_metrics jsonb := coalesce(
        {{ private }}.http_field(p_request, 'system_metrics', '{object}', false, 'a JSON object'),
        {{ private }}.http_field(p_request, 'metrics', '{object}', false, 'a JSON object'),
        '{}'
    );
begin
    return jsonb_build_object(
        'status', {{ private }}.http_text(p_request, 'status'),
        'timestamp', {{ private }}.http_moment(p_request, 'timestamp'),
        'last_activity', {{ private }}.http_moment(p_request, 'last_activity'),
        'current_streams', p_count,
        'processed_count', {{ private }}.http_integer(p_request, 'processed_count', 0, 1000000000000000),
        'error_count', {{ private }}.http_integer(p_request, 'error_count', 0, 1000000000000000),
        'cpu_usage', coalesce(
            {{ private }}.http_number(p_request, 'cpu_usage', 0, 100000), {{ private }}.http_number(v_metrics, 'cpu_percent', 0, 100000),
            {{ private }}.http_number(v_metrics, 'cpu_usage', 0, 100000)
        ),
        'memory_usage', coalesce(
            {{ private }}.http_number(p_request, 'memory_usage', 0, 100000), {{ private }}.http_number(v_metrics, 'memory_percent', 0, 100000),
            {{ private }}.http_number(v_metrics, 'memory_usage', 0, 100000)
        ),
        'round_trip', {{ private }}.http_number(p_request, 'round_trip', 0, 86400)
    );
end
$function$;
comment on function {{ private }}.http_report(jsonb, bigint) is 'A beat in any dialect, in the words of heartbeat.';

create or replace function {{ private }}.http_count(p_request jsonb, p_dialect text)
    returns bigint
    language plpgsql volatile
as $function$
begin
    if p_dialect <> 'worker' then
        return {{ private }}.http_integer(p_request, 'current_streams', 0, 1000000);
    elsif {{ private }}.http_number(p_request, 'current_load', 0, 1000000) % 1 = 0 then
        return (p_request -> 'current_load')::bigint;
    end if;
    return null; -- none, or a measure of something else
end
$function$;
comment on function {{ private }}.http_count(jsonb, text) is 'How many streams a beat says that the instance has; null when it does not say.';
