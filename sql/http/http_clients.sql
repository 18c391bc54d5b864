-- How the clients in the field that ask for their streams (the dialects server and worker) are read and answered.
-- They treat any answer but 200 as an outage and may then say nothing for minutes, so what they send is read as well as it can be: an odd
-- value is none. What is refused is what they never send.
-- Reads     pull_client, instance
-- Raises    OR101 bad argument

create or replace function {{ private }}.http_client_name(p_request jsonb, p_names text[])
    returns text
    language plpgsql volatile
as $function$
declare
    v_name text;
    v_value text;
begin
    foreach v_name in array p_names loop
        v_value := case when jsonb_typeof(p_request -> v_name) = 'string' then p_request ->> v_name end;
        exit when v_value <> '';
    end loop;
    perform {{ private }}.require_argument(
        p_names[1], coalesce(v_value <> '' and length(v_value) <= 200 and v_value !~ '[[:cntrl:]]', false), to_jsonb(left(v_value, 200)),
        'the name of the client, of 1 to 200 characters'
    );
    return v_value;
end
$function$;
comment on function {{ private }}.http_client_name(jsonb, text[]) is 'The name that a request speaks in: the first of these keys that it has.';

create or replace function {{ private }}.http_client_of(p_name text)
    returns {{ private }}.pull_client
    language plpgsql stable
as $function$
declare
    v_client {{ private }}.pull_client;
begin
    -- each ask and each beat does this: a plan of its own is kept here, and in a function in SQL is made anew
    select c.* into v_client
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull'
    where c.instance_id = {{ private }}.pull_instance_id(p_name);
    return v_client;
end
$function$;
comment on function {{ private }}.http_client_of(text) is 'The client of this name; null when none has registered.';

create or replace function {{ private }}.http_loose_number(p_value jsonb)
    returns numeric
    language sql immutable
begin atomic
    -- as a number or as text; one that no count or measure has is none
    select case
        when jsonb_typeof(p_value) in ('number', 'string') and p_value #>> '{}' ~ '^\s*-?[0-9]{1,15}(\.[0-9]{1,30})?\s*$'
            then (p_value #>> '{}')::numeric
    end;
end;
comment on function {{ private }}.http_loose_number(jsonb) is 'A number that a client sent, in whichever form; null when it is none.';

create or replace function {{ private }}.http_loose_ids(p_value jsonb)
    returns bigint[]
    language sql immutable
begin atomic
    select coalesce(array_agg(distinct n.number::bigint order by n.number::bigint), '{}')
    from (
        select {{ private }}.http_loose_number(e.value) as number
        -- lists of hundreds of thousands hold a few ids many times
        from (
            select distinct v.value
            from jsonb_array_elements(case when jsonb_typeof(p_value) = 'array' then p_value else '[]' end) as v(value)
        ) as e
    ) as n
    where n.number >= 0 and n.number % 1 = 0;
end;
comment on function {{ private }}.http_loose_ids(jsonb) is 'The numbers of streams that a client sent, as numbers or as texts, each once; what is none is left out.';

create or replace function {{ private }}.http_loose_report(p_request jsonb, p_load bigint)
    returns jsonb
    language sql volatile
as $function$
    with part as (
        select
            p_request as beat,
            coalesce(p_request -> 'system_metrics', '{}') as server,
            coalesce(p_request #> '{metrics,system}', '{}') as system,
            coalesce(p_request #> '{metrics,worker}', '{}') as worker,
            coalesce(p_request -> 'metrics', '{}') as metrics
    ),
    said as (
        select
            {{ private }}.http_loose_number(coalesce(
                p.server -> 'cpu_percent', p.system -> 'cpu_percent', p.system -> 'cpu_usage_percent', p.metrics -> 'cpu_percent',
                p.metrics -> 'cpu_usage', p.beat -> 'cpu_usage'
            )) as cpu,
            {{ private }}.http_loose_number(coalesce(
                p.server -> 'memory_percent', p.system -> 'memory_percent', p.system -> 'memory_usage_percent', p.metrics -> 'memory_percent',
                p.metrics -> 'memory_usage', p.beat -> 'memory_usage'
            )) as memory,
            {{ private }}.http_loose_number(coalesce(p.worker -> 'total_processed', p.metrics -> 'processed_streams', p.beat -> 'processed_count')) as processed,
            {{ private }}.http_loose_number(coalesce(p.worker -> 'total_failed', p.metrics -> 'failed_streams', p.beat -> 'error_count')) as failed
        from part as p
    )
    select jsonb_strip_nulls(jsonb_build_object(
        'current_streams', case when p_load between 0 and 1000000 then p_load end,
        'cpu_usage', case when s.cpu between 0 and 100000 then s.cpu end,
        'memory_usage', case when s.memory between 0 and 100000 then s.memory end,
        'processed_count', case when s.processed between 0 and 1000000000000000 then trunc(s.processed) end,
        'error_count', case when s.failed between 0 and 1000000000000000 then trunc(s.failed) end
    ))
    from said as s
$function$;
comment on function {{ private }}.http_loose_report(jsonb, bigint) is 'A beat in the words of heartbeat, from the spellings of all clients in the field.';

create or replace function {{ private }}.http_refusal(p_title text, p_hint text)
    returns jsonb
    language sql immutable
begin atomic
    select jsonb_build_object('title', p_title, 'detail', p_hint);
end;
comment on function {{ private }}.http_refusal(text, text) is 'The body of an answer that refuses and is recorded nevertheless.';

create or replace function {{ private }}.http_hold_for()
    returns double precision
    language sql stable
begin atomic
    -- when those that register together have all come; after that there is no moment to wait for, so often is enough
    select greatest(0.02, least(1.0, coalesce(
        (
            select nullif(greatest(extract(epoch from max(c.registered_at) + {{ private }}.setting_interval('settle_window') - {{ private }}.now()), 0), 0)
            from {{ private }}.pull_client as c where c.is_fresh
        ),
        extract(epoch from {{ private }}.setting_interval('http_remainder_wait')) / 10
    )))::double precision;
end;
comment on function {{ private }}.http_hold_for() is 'After how many seconds an answer that is held is looked at again.';

create or replace function {{ private }}.http_ip_of(p_address text)
    returns text
    language sql immutable
begin atomic
    select nullif(regexp_replace(p_address, ':[0-9]+$', ''), '');
end;
comment on function {{ private }}.http_ip_of(text) is 'The ip of an address that a registration named.';

create or replace function {{ private }}.http_port_of(p_address text)
    returns integer
    language sql immutable
begin atomic
    select case when p_address ~ ':[0-9]{1,5}$' then substring(p_address from ':([0-9]+)$')::integer end;
end;
comment on function {{ private }}.http_port_of(text) is 'The port of an address that a registration named.';
