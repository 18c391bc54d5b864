-- What an argument must be. Every refusal is OR101 and names the argument.
-- Raises    OR101

create or replace function {{ private }}.require_exact_text(p_name text, p_text text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_collation text collate "C" := collation for (p_text);
begin
    -- A text brings its collation along, into every comparison with it: under one of the caller's own making
    -- 'FV-1' = 'fv-1', and a login that may act for the one may act for the other.
    if v_collation <> '"default"' and not exists (
        select from pg_collation as c
        where c.collisdeterministic
            and v_collation = case
                when c.collnamespace = 'pg_catalog'::regnamespace then quote_ident(c.collname)
                else format('%s.%I', c.collnamespace::regnamespace, c.collname)
            end
    ) then
        perform {{ private }}.require_argument(p_name, false, null, 'a text whose collation tells different texts apart: leave the collate away');
    end if;
end
$function$;
comment on function {{ private }}.require_exact_text(text, text) is 'Refuse (OR101) a text under a collation that takes different texts for equal.';

create or replace function {{ private }}.require_argument(p_name text, p_is_good boolean, p_given jsonb, p_hint text)
    returns void
    language plpgsql volatile
as $function$
begin
    if p_is_good is not true then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', p_name, 'given', case
                when pg_column_size(p_given) > 10000 or length(p_given::text) > 10000 then to_jsonb('too long to be said again'::text)
                else {{ private }}.redact_json(p_given) -- the server's log keeps it
            end)::text,
            hint = p_hint;
    end if;
end
$function$;
comment on function {{ private }}.require_argument(text, boolean, jsonb, text) is 'Refuse with OR101, naming the argument, what was given and what is wanted.';

create or replace function {{ private }}.is_plain(p_interval interval)
    returns boolean
    language sql immutable parallel safe
begin atomic
    -- a month less 29 days is a day by comparison, and nothing or less in February
    select least(
        extract(year from p_interval), extract(month from p_interval), extract(day from p_interval),
        extract(hour from p_interval), extract(minute from p_interval), extract(second from p_interval)
    ) >= 0;
end;
comment on function {{ private }}.is_plain(interval) is 'Whether no part of an interval is less than nothing, so that it leads forward from every moment.';

create or replace function {{ private }}.require_interval(p_name text, p_value interval, p_least interval, p_most interval)
    returns void
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_argument(
        p_name, p_value between p_least and p_most and {{ private }}.is_plain(p_value), to_jsonb(p_value), format('from %s to %s', p_least, p_most)
    );
end
$function$;
comment on function {{ private }}.require_interval(text, interval, interval, interval) is 'Refuse (OR101) an interval that is null, out of bounds, infinite, or made of parts of both signs.';

create or replace function {{ private }}.require_moment(p_name text, p_value timestamptz)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_argument(
        p_name, p_value between {{ private }}.now() - interval '10 years' and {{ private }}.now() + interval '10 years',
        to_jsonb(p_value), 'a moment within ten years of now'
    );
end
$function$;
comment on function {{ private }}.require_moment(text, timestamptz) is 'Refuse (OR101) a moment that is null, infinite, or so far away that reckoning with it would fail.';

create or replace function {{ private }}.require_few(p_name text, p_count integer)
    returns void
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_argument(
        p_name, coalesce(p_count, 0) <= 10000, to_jsonb(p_count), 'at most 10000 streams: an instance has 1000 at most'
    );
end
$function$;
comment on function {{ private }}.require_few(text, integer) is 'Refuse (OR101) more streams in one call than any instance can mean.';

create or replace function {{ private }}.as_bigint(p_value jsonb)
    returns bigint
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_argument(
        'p_failed', p_value is null or jsonb_typeof(p_value) in ('number', 'null'), p_value, 'stream_id and epoch are integers'
    );
    return (p_value #>> '{}')::bigint;
exception
    when data_exception then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', 'p_failed', 'given', left(p_value::text, 200))::text,
            hint = 'stream_id and epoch are integers';
end
$function$;
comment on function {{ private }}.as_bigint(jsonb) is 'An id out of a report; OR101 when it is none.';
