-- What the address of a station is, and what else bounds a station. Lists, tables and add_stream ask here; nothing else judges.
-- Reads     no table
-- Raises    OR101

create or replace function {{ private }}.is_ipv6(p_text text)
    returns boolean
    language plpgsql immutable parallel safe
as $function$
begin
    -- neither a mask nor a zone, one of which inet would take
    return p_text ~* '^[0-9a-f:.]+$' and family(p_text::inet) = 6;
exception
    when invalid_text_representation then
        return false;
end
$function$;
comment on function {{ private }}.is_ipv6(text) is 'Whether a text is an IPv6 address and nothing else.';

create or replace function {{ private }}.unusual_address_problem(p_url text)
    returns text
    language plpgsql immutable parallel safe
as $function$
declare
    -- the third of what slashes part is the authority, unless a question mark or a hash ends it
    v_authority text := split_part(split_part(split_part(p_url, '/', 3), '?', 1), '#', 1);
    v_place text := regexp_replace(v_authority, '^[^@]*@', '');
    v_host text := case when v_place like '[%]%' then left(v_place, strpos(v_place, ']')) else split_part(v_place, ':', 1) end;
    v_port text := substr(v_place, length(v_host) + 1);
begin
    return case
        when coalesce(p_url, '') = '' then 'no url'
        when octet_length(p_url) > 2000 then 'the url is longer than 2000 bytes'
        when p_url !~* '^https?://' then 'the url is not http or https'
        -- what a terminal, a log or a command line would take for something else
        when p_url ~ '[[:space:][:cntrl:]\u0080-\u00a0\u2028-\u202e\u2066-\u2069]' then 'the url has a space or a control character in it'
        when v_authority ~ '@.*@' then 'the url has more than one @ before its path: write the one of a password as %40'
        when v_authority ~ '[]["<>\\^`{|}].*@' then 'the url has a character in its login that must be written as %XX'
        when v_host = '' then 'the url has no host'
        when v_port !~ '^(:[0-9]{1,5})?$' or nullif(substr(v_port, 2), '')::integer not between 1 and 65535
            then 'the url has a bad port: 1 to 65535, or none'
        when v_host ~* '^https?$' then 'the url has one http:// in front of another'
        when v_host like '[%]' then case when not {{ private }}.is_ipv6(substr(v_host, 2, length(v_host) - 2)) then 'the url has a bad IPv6 address as its host' end
        when v_host ~ '^[0-9.]+$' then case
            when v_host !~ '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.|$)){4}$' or v_host like '%.' then 'the url has a bad IPv4 address as its host'
        end
        -- names of other scripts are looked up as they are, or by their xn-- names
        when v_host !~ '^([A-Za-z0-9_-]|[^\x01-\x7f])+(\.([A-Za-z0-9_-]|[^\x01-\x7f])+)*\.?$' then 'the url has a bad host'
        when octet_length(v_host) > 253 then 'the host of the url is longer than 253 bytes'
        when v_host ~ '[^.]{64}' then 'a part of the host of the url is longer than 63 characters'
    end;
end
$function$;
comment on function {{ private }}.unusual_address_problem(text) is 'Why a text cannot be the address of a station, one rule after the other.';

create or replace function {{ private }}.address_problem(p_url text)
    returns text
    language sql immutable parallel safe
begin atomic
    -- nearly all pass the first, which is what a batch of 100,000 rows pays for
    select case
        when octet_length(p_url) <= 2000
            and octet_length(split_part(p_url, '/', 3)) <= 63
            and p_url ~* '^https?://[a-z0-9_-]+\.([a-z0-9_-]+\.)*[a-z][a-z0-9-]*(:[1-9][0-9]{0,3})?(/[!-~]*)?$'
            then null
        else {{ private }}.unusual_address_problem(p_url)
    end;
end;
comment on function {{ private }}.address_problem(text) is 'Why a text cannot be the address of a station: http or https, with a host, at most 2000 bytes; null when it can.';

create or replace function {{ private }}.station_problem(
    p_url text, p_external_id text default null, p_name text default null, p_region text default null,
    p_capabilities text[] default null, p_metadata jsonb default null
)
    returns text
    language sql stable parallel safe
begin atomic
    select case
        when {{ private }}.address_problem(p_url) is not null then {{ private }}.address_problem(p_url)
        -- both are indexed
        when octet_length(p_external_id) > 2000 then 'the id is longer than 2000 bytes'
        when octet_length(p_capabilities::text) > 2000 then 'the required capabilities are longer than 2000 bytes'
        when octet_length(p_name) > 2000 then 'the name is longer than 2000 bytes'
        when octet_length(p_region) > 200 then 'the region is longer than 200 bytes'
        when jsonb_typeof(coalesce(p_metadata, '{}')) <> 'object' then 'metadata is not an object'
        when jsonb_typeof(p_metadata -> 'required_capabilities') not in ('array', 'string', 'null')
            then 'required_capabilities is not a list of names'
        -- its size as it is kept comes first: a short 1e100000 is a long text
        when pg_column_size(p_metadata) > 100000 then 'the metadata is longer than 100000 bytes'
        when octet_length(p_metadata::text) > 100000 then 'the metadata is longer than 100000 bytes'
    end;
end;
comment on function {{ private }}.station_problem(text, text, text, text, text[], jsonb) is 'Why this cannot be a station: its address, and the lengths of what is kept of it; null when it can.';

create or replace function {{ private }}.require_station(p_argument text, p_problem text, p_given jsonb)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_argument(p_argument, p_problem is null, p_given, p_problem);
end
$function$;
comment on function {{ private }}.require_station(text, text, jsonb) is 'Refuse (OR101) an argument for what station_problem says of it.';
