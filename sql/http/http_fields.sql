-- Reading the fields of a request. A wrong type is refused with the field named; a key that is not asked for is ignored, and null
-- is the same as none.

create or replace function {{ private }}.http_field(
    p_request jsonb, p_name text, p_types text[], p_required boolean, p_wanted text
)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_value jsonb := nullif(p_request -> p_name, 'null');
begin
    perform {{ private }}.require_argument(
        'body', jsonb_typeof(p_request) = 'object', to_jsonb(jsonb_typeof(p_request)), 'a JSON object'
    );
    perform {{ private }}.require_argument(
        p_name,
        case when v_value is null then not p_required else jsonb_typeof(v_value) = any(p_types) end,
        case when pg_column_size(v_value) < 1000 then v_value end,
        p_wanted
    );
    return v_value;
end
$function$;
comment on function {{ private }}.http_field(jsonb, text, text[], boolean, text) is 'A field of a request, null when there is none; OR101 when it has another type or is missing.';

create or replace function {{ private }}.http_text(p_request jsonb, p_name text, p_required boolean default false)
    returns text
    language plpgsql volatile
as $function$
declare
    v_value text := {{ private }}.http_field(p_request, p_name, '{string}', p_required, 'a text') #>> '{}';
begin
    perform {{ private }}.require_argument(
        p_name, v_value is null or length(v_value) <= 200, to_jsonb(left(v_value, 200)), 'a text of at most 200 characters'
    );
    return nullif(v_value, '');
end
$function$;
comment on function {{ private }}.http_text(jsonb, text, boolean) is 'A text out of a request; an empty one is none.';

create or replace function {{ private }}.http_instance_id(p_request jsonb, p_name text)
    returns text
    language plpgsql volatile
as $function$
declare
    v_value text := {{ private }}.http_text(p_request, p_name, true);
begin
    perform {{ private }}.require_argument(
        p_name, {{ private }}.is_name(v_value), to_jsonb(v_value),
        'an id of 1 to 48 letters, digits, dots, underscores and hyphens, beginning with a letter or digit'
    );
    return v_value;
end
$function$;
comment on function {{ private }}.http_instance_id(jsonb, text) is 'The id of the instance that a request speaks for.';

create or replace function {{ private }}.http_number(p_request jsonb, p_name text, p_minimum numeric, p_maximum numeric)
    returns numeric
    language plpgsql volatile
as $function$
declare
    v_wanted text := format('a number from %s to %s', p_minimum, p_maximum);
    v_value numeric := ({{ private }}.http_field(p_request, p_name, '{number}', false, v_wanted) #>> '{}')::numeric;
begin
    perform {{ private }}.require_argument(
        p_name, v_value is null or v_value between p_minimum and p_maximum, p_request -> p_name, v_wanted
    );
    return v_value;
end
$function$;
comment on function {{ private }}.http_number(jsonb, text, numeric, numeric) is 'A number out of a request, within bounds.';

create or replace function {{ private }}.http_integer(
    p_request jsonb, p_name text, p_minimum bigint, p_maximum bigint, p_required boolean default false
)
    returns bigint
    language plpgsql volatile
as $function$
declare
    v_wanted text := format('a whole number from %s to %s', p_minimum, p_maximum);
    v_value numeric := ({{ private }}.http_field(p_request, p_name, '{number}', p_required, v_wanted) #>> '{}')::numeric;
begin
    perform {{ private }}.require_argument(
        p_name, v_value is null or (v_value between p_minimum and p_maximum and v_value = trunc(v_value)), p_request -> p_name, v_wanted
    );
    return v_value::bigint;
end
$function$;
comment on function {{ private }}.http_integer(jsonb, text, bigint, bigint, boolean) is 'A whole number out of a request, within bounds.';

create or replace function {{ private }}.http_ids(p_request jsonb, p_name text, p_required boolean)
    returns bigint[]
    language plpgsql volatile
as $function$
declare
    v_value jsonb := {{ private }}.http_field(p_request, p_name, '{array}', p_required, 'an array of stream ids');
begin
    perform {{ private }}.require_argument(
        p_name, jsonb_array_length(v_value) <= 10000, to_jsonb(jsonb_array_length(v_value)), 'at most 10000 stream ids'
    ) where v_value is not null;
    perform {{ private }}.require_argument(
        p_name,
        case
            when jsonb_typeof(e.value) = 'number'
                then e.value::numeric between 0 and 9223372036854775807 and e.value::numeric = trunc(e.value::numeric)
        end,
        e.value, 'stream ids are integers'
    )
    from jsonb_array_elements(v_value) as e;
    return (select coalesce(array_agg(distinct e.value::bigint), '{}') from jsonb_array_elements(v_value) as e where v_value is not null);
end
$function$;
comment on function {{ private }}.http_ids(jsonb, text, boolean) is 'Stream ids out of a request, each once, in order.';

create or replace function {{ private }}.http_names(p_request jsonb, p_name text)
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_value jsonb := {{ private }}.http_field(p_request, p_name, '{array}', false, 'an array of names');
begin
    perform {{ private }}.require_argument(
        p_name, jsonb_typeof(e.value) = 'string' and length(e.value #>> '{}') <= 200, e.value, 'an array of names'
    )
    from jsonb_array_elements(v_value) as e;
    return (select case when v_value is not null then coalesce(array_agg(e.value), '{}') end from jsonb_array_elements_text(v_value) as e);
end
$function$;
comment on function {{ private }}.http_names(jsonb, text) is 'Names out of a request; null when it has no such key, and none of them when the list is empty.';

create or replace function {{ private }}.http_moment(p_request jsonb, p_name text)
    returns timestamptz
    language plpgsql volatile
as $function$
declare
    v_value jsonb := {{ private }}.http_field(p_request, p_name, '{string,number}', false, 'a moment in ISO 8601');
    v_moment timestamptz;
begin
    -- clients write a moment as text, and some as seconds since 1970
    v_moment := case jsonb_typeof(v_value)
        when 'string' then (v_value #>> '{}')::timestamptz
        when 'number' then to_timestamp(v_value::double precision)
    end;
    perform {{ private }}.require_argument(
        p_name, v_moment is null or v_moment between '2000-01-01' and '3000-01-01', v_value, 'a moment in ISO 8601'
    );
    return v_moment;
exception
    when data_exception then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', p_name, 'given', left(v_value::text, 200))::text,
            hint = 'a moment in ISO 8601';
end
$function$;
comment on function {{ private }}.http_moment(jsonb, text) is 'A moment out of a request.';
