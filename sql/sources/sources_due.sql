-- The tables that are to be read now: those whose interval has passed since the last attempt, or the one named. One that failed is
-- left alone for longer each time, up to ten minutes, and then tried once: the breaker of a source, which all drivers share.
-- read_at goes to sync_streams with what was read, so that of two readings the newer one counts.
-- Reads     source, setting
-- Raises    OR107 unknown source · OR101 the source named is not a table
create or replace function {{ api }}.sources_due(p_source text default null)
    returns table (
        source text, conninfo text, table_name text, column_map jsonb, read_at timestamptz, network_timeout interval,
        consecutive_failures integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_now timestamptz := {{ private }}.now();
    v_source {{ private }}.source;
begin
    if p_source is not null then
        v_source := {{ private }}.known_source(p_source);
        perform {{ private }}.require_argument(
            'p_source', v_source.kind = 'postgresql', jsonb_build_object('source', p_source, 'kind', v_source.kind),
            'a list is not read again by itself: import its file again'
        );
    end if;
    return query
    select s.source, s.conninfo, s.table_name, s.column_map, v_now, {{ private }}.setting_interval('network_timeout'),
        s.consecutive_failures
    from {{ private }}.source as s
    where
        s.source = p_source
        or (
            p_source is null and s.kind = 'postgresql' and s.enabled
            and coalesce(s.last_attempt_at + {{ private }}.sync_pause(s.sync_interval, s.consecutive_failures) <= v_now, true)
        )
    order by s.last_attempt_at nulls first, s.source;
end
$function$;

comment on function {{ api }}.sources_due(text) is
'Return the tables that are to be read now, or the one named. A source that failed is left alone for longer each time, up to ten minutes.
p_source: the source to read, due or not; null: all that are due.
source: the name of the source.
conninfo: where it is, without a password.
table_name: the table there.
column_map: columns that have other names than the known ones.
read_at: the moment of reading, which sync_streams wants to know.
network_timeout: how long a network operation may take.
consecutive_failures: failures of this source in a row.
Raises: OR101, OR107.
Example: select source, conninfo, table_name from {{ api }}.sources_due(''production'');';
revoke all on function {{ api }}.sources_due(text) from public;
grant execute on function {{ api }}.sources_due(text) to {{ admin }};
