-- GET /postgres/test: whether the stations could be read from their database, as far as the last try tells.
-- Reads     source, stream
create or replace function {{ api }}.http_source_test()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_source {{ private }}.source;
begin
    select o.* into v_source from {{ private }}.source as o where o.kind = 'postgresql' order by o.enabled desc, o.created_at limit 1;
    return query select 200, jsonb_build_object(
        'status', case when v_source.source is not null and v_source.consecutive_failures > 0 then 'error' else 'success' end,
        'message', case
            when v_source.source is null then 'the stations are kept here'
            when v_source.consecutive_failures > 0 then 'the last ' || v_source.consecutive_failures || ' tries to read the stations failed'
            else 'the stations were read'
        end,
        'database', coalesce(substring(v_source.conninfo from 'dbname=''?([^'' ]+)'), current_database()),
        'table', coalesce(v_source.table_name, 'stream'),
        'total_streams', (select count(*) from {{ private }}.stream),
        'timestamp', {{ private }}.now()
    );
end
$function$;
comment on function {{ api }}.http_source_test() is
'Answer GET /postgres/test: whether the stations could be read from their database when that was last tried.
status: the HTTP status, 200 either way.
body: status (success or error), message, database, table, total_streams.
Example: select * from {{ api }}.http_source_test();';
revoke all on function {{ api }}.http_source_test() from public;
grant execute on function {{ api }}.http_source_test() to {{ reader }}, {{ admin }};
