-- Add a source of streams, or change the one of that name.
-- A null leaves what is there; for a new source it means no map, 60 seconds, 0.2, enabled, no witnesses.
-- Locks     decision; source
-- Writes    source, witness, witnessed_client, witnessed_station
-- Raises    OR101 a bad name, a password in the address, or a source of another kind · 55P03
create or replace function {{ api }}.add_source(
    p_source text,
    p_conninfo text default null,
    p_table_name text default null,
    p_column_map jsonb default null,
    p_sync_interval interval default null,
    p_max_removed_part numeric default null,
    p_enabled boolean default null,
    p_heartbeats text default null,
    p_music_log text default null
)
    returns table (source text, kind text, created boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_kind text := case when p_conninfo is null and p_table_name is null then 'list' else 'postgresql' end;
    v_found text;
begin
    perform {{ private }}.check_source(
        p_source, p_conninfo, p_table_name, p_column_map, p_sync_interval, p_max_removed_part
    );
    perform {{ private }}.lock_decisions();
    insert into {{ private }}.source as s (
        source, kind, conninfo, table_name, column_map, sync_interval, max_removed_part, enabled, created_at
    )
    values (
        p_source, v_kind, p_conninfo, p_table_name, coalesce(p_column_map, '{}'),
        coalesce(p_sync_interval, '60 seconds'), coalesce(p_max_removed_part, 0.2), coalesce(p_enabled, true),
        {{ private }}.now()
    )
    on conflict on constraint source_pkey do nothing;
    if found then
        perform {{ private }}.set_witness(p_source, 'heartbeats', p_heartbeats);
        perform {{ private }}.set_witness(p_source, 'music_log', p_music_log);
        return query select p_source, v_kind, true;
        return;
    end if;

    select s.kind into strict v_found from {{ private }}.source as s where s.source = p_source for no key update;
    perform {{ private }}.require_argument(
        'p_source', v_found = v_kind, jsonb_build_object('source', p_source, 'kind', v_found),
        'a source keeps its kind: choose another name'
    );
    update {{ private }}.source as s
    set
        conninfo = p_conninfo,
        table_name = p_table_name,
        column_map = coalesce(p_column_map, s.column_map),
        sync_interval = coalesce(p_sync_interval, s.sync_interval),
        max_removed_part = coalesce(p_max_removed_part, s.max_removed_part),
        enabled = coalesce(p_enabled, s.enabled)
    where s.source = p_source;
    perform {{ private }}.set_witness(p_source, 'heartbeats', p_heartbeats);
    perform {{ private }}.set_witness(p_source, 'music_log', p_music_log);
    return query select p_source, v_kind, false;
end
$function$;

comment on function {{ api }}.add_source(text, text, text, jsonb, interval, numeric, boolean, text, text) is
'Add a source of streams, or change the one of that name. A source is a table of another PostgreSQL, or (without an address) a list whose batches are brought by hand. Null leaves a value as it is.
p_source: the name of the source.
p_conninfo: where the PostgreSQL is, as a libpq connection string without a password.
p_table_name: the table there, with its schema if need be.
p_column_map: columns that have other names than the known ones: {"name": "nome"}.
p_sync_interval: the time between two readings, 1 second to 30 days; 60 seconds for a new source.
p_max_removed_part: the largest part of its streams (0 to 1) that one reading may remove; 0.2 for a new source.
p_enabled: whether it is read; true for a new source.
p_heartbeats: the table in its database that clients write a row of themselves into (server_heartbeats), to be read as a second sign of life; an empty text ends it.
p_music_log: the table in its database that clients write what they recognised into (music_log), to be read as a witness of who hears what; an empty text ends it.
source: the name of the source.
kind: postgresql or list.
created: true when it is new.
Raises: OR101, 55P03.
Example: select * from {{ api }}.add_source(''production'', ''host=production.example.org dbname=radio'', ''streams'', ''{"name": "nome"}'');';
revoke all on function {{ api }}.add_source(text, text, text, jsonb, interval, numeric, boolean, text, text) from public;
grant execute on function {{ api }}.add_source(text, text, text, jsonb, interval, numeric, boolean, text, text) to {{ admin }};
