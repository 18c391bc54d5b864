-- A source: where its streams come from, when it is read again, and what its last synchronisation did.

-- The source of that name.
-- Raises    OR107 unknown source · OR101 'manual', whose streams have no list behind them
create or replace function {{ private }}.known_source(p_source text)
    returns {{ private }}.source
    language plpgsql volatile
as $function$
declare
    v_source {{ private }}.source;
begin
    select * into v_source from {{ private }}.source as s where s.source = p_source;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown source',
            detail = jsonb_build_object('source', p_source)::text,
            hint = 'select source from {{ api }}.sources lists those that are known; {{ api }}.add_source adds one';
    end if;
    perform {{ private }}.require_argument(
        'p_source', v_source.kind <> 'manual', to_jsonb(p_source),
        'streams added by hand have no source to follow: use add_stream and remove_stream'
    );
    return v_source;
end
$function$;
comment on function {{ private }}.known_source(text) is 'The source of that name; refuses unknown ones (OR107) and ''manual'' (OR101).';

-- Whether an address of a database is one that may be stored: where a password could hide is nothing else, either. An @ stands after a
-- login or in it, and nowhere else: postgresql://me:12/secret@host/db is read as the database "secret@host/db" of the host "me".
create or replace function {{ private }}.is_storable_conninfo(p_conninfo text)
    returns boolean
    language sql immutable
begin atomic
    with pair as (
        select lower(m.parts[1]) as name, m.parts[2] as value
        from regexp_matches(
            p_conninfo, $regexp$([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^'\\[:space:]]|\\.)*)(?:\s+|$)$regexp$, 'gi'
        ) as m (parts)
        where p_conninfo !~* '^\s*postgres(ql)?:'
        union all
        select lower(split_part(q.part, '=', 1)), split_part(q.part, '=', 2)
        from string_to_table(substring(p_conninfo from '\?(.*)$'), '&') as q (part)
        where p_conninfo ~* '^postgres(ql)?:'
    )
    select octet_length(p_conninfo) <= 2000
        and p_conninfo !~ '[[:cntrl:]]'
        and case
            when p_conninfo ~* '^\s*postgres(ql)?:'
                then p_conninfo ~* '^postgres(ql)?://([^]@:/?#[[:space:]]+@)?[^@/?#[:space:]]*(/[^@:?#[:space:]]*)?(\?[a-z_]+=[^@#&?[:space:]]*(&[a-z_]+=[^@#&?[:space:]]*)*)?$'
            else regexp_replace(
                p_conninfo, $regexp$([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^'\\[:space:]]|\\.)*)(?:\s+|$)$regexp$, '', 'gi'
            ) !~ '[^[:space:]]'
        end
        and not exists (
            select from pair as p
            where ({{ private }}.names_secret(p.name) and p.name <> 'passfile')
                or p.value ~ '://'
                or case when p.name = 'user' then p.value ~ ':.*@' else p.value ~ '[^,''=]@' end
        );
end;
comment on function {{ private }}.is_storable_conninfo(text) is 'Whether a libpq connection string can be read, and holds no password and nothing that may be one.';

-- Refuse what cannot be a source, each argument with a sentence of its own.
-- Raises    OR101
create or replace function {{ private }}.check_source(
    p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval,
    p_max_removed_part numeric
)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_argument(
        'p_source', {{ private }}.is_name(p_source), to_jsonb(p_source),
        'a name of 1 to 48 letters, digits, dots, underscores and dashes'
    );
    perform {{ private }}.require_argument(
        'p_conninfo', (p_conninfo is null) = (p_table_name is null), to_jsonb(p_table_name is not null),
        'a table needs both its address and its name; a list has neither'
    );
    -- What was given is not repeated here: it may be the password.
    perform {{ private }}.require_argument(
        'p_conninfo', p_conninfo is null or ({{ private }}.is_storable_conninfo(p_conninfo) and p_conninfo !~* 'password|:[^/@]*@'), '"(not shown)"',
        'postgresql://user@host:5432/database or host=… dbname=… user=…, with no password and no other @ in it: keep it in a password file (PGPASSFILE) or the environment (PGPASSWORD, POSTGRES_PASSWORD) of the program that synchronises'
    );
    perform {{ private }}.require_argument(
        'p_table_name', p_table_name is null or btrim(p_table_name) <> '', to_jsonb(p_table_name), 'the name of a table or view'
    );
    perform {{ private }}.require_argument(
        'p_column_map', p_column_map is null or jsonb_typeof(p_column_map) = 'object', p_column_map,
        'an object such as {"name": "nome"}'
    );
    perform {{ private }}.require_interval('p_sync_interval', coalesce(p_sync_interval, '60 seconds'), '1 second', '30 days');
    perform {{ private }}.require_argument(
        'p_max_removed_part', p_max_removed_part is null or p_max_removed_part between 0 and 1,
        to_jsonb(p_max_removed_part), 'a part between 0 and 1'
    );
end
$function$;
comment on function {{ private }}.check_source(text, text, text, jsonb, interval, numeric) is 'Refuses what cannot be a source (OR101).';

-- How long a source is left alone after an attempt.
create or replace function {{ private }}.sync_pause(p_sync_interval interval, p_consecutive_failures integer)
    returns interval
    language sql immutable
as $function$
    select case
        -- one that was stored before there were bounds must not fail, and all other sources with it
        when p_consecutive_failures = 0 then least(p_sync_interval, interval '30 days')
        else least(least(p_sync_interval, interval '10 minutes') * 2 ^ least(p_consecutive_failures, 10), interval '10 minutes')
    end
$function$;
comment on function {{ private }}.sync_pause(interval, integer) is 'Its interval; after failures twice as long with each, up to ten minutes.';

create or replace function {{ private }}.last_read_at(p_source {{ private }}.source)
    returns timestamptz
    language sql immutable
begin atomic
    -- it was recorded when it was merged, by a moment that moves with the clock
    select least(((p_source).last_result ->> 'read_at')::timestamptz, (p_source).last_success_at);
end;
comment on function {{ private }}.last_read_at({{ private }}.source) is 'When what was last merged had been read.';

-- Record a sync that succeeded, and clear the staging table of its batch and of what was forgotten there.
-- Writes    source, stream_staging
create or replace function {{ private }}.record_sync(
    p_source text, p_batch uuid, p_read_at timestamptz, p_change jsonb, p_reconnected integer
)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_result jsonb := jsonb_build_object(
        'read_at', p_read_at,
        'inserted', p_change -> 'inserted',
        'updated', jsonb_array_length(p_change -> 'updated'),
        'activated', jsonb_array_length(p_change -> 'activated'),
        'deactivated', jsonb_array_length(p_change -> 'deactivated'),
        'removed', jsonb_array_length(p_change -> 'removed'),
        'unchanged', p_change -> 'unchanged',
        'skipped', p_change -> 'skipped',
        'reconnected', p_reconnected,
        'skipped_rows', p_change -> 'skipped_rows'
    );
    v_took double precision := {{ private }}.seconds_between(p_read_at, {{ private }}.now());
begin
    update {{ private }}.source as s
    set
        last_attempt_at = {{ private }}.now(), last_success_at = {{ private }}.now(), last_result = v_result,
        last_error = null, consecutive_failures = 0,
        sync_counts = {{ private }}.count_into(s.sync_counts, 'orchestrator_sync_duration_seconds', array[v_took]),
        sync_sum = s.sync_sum + v_took
    -- a newer reading may have been merged since this one was found to change nothing
    where s.source = p_source and coalesce({{ private }}.last_read_at(s) <= p_read_at, true);

    delete from {{ api }}.stream_staging as s
    where s.batch = p_batch or s.staged_at < {{ private }}.now() - interval '1 hour';
    return v_result;
end
$function$;
comment on function {{ private }}.record_sync(text, uuid, timestamptz, jsonb, integer) is 'Records a sync that succeeded and clears the staging table.';
