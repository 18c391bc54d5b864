-- Say whether clients that speak HTTP may be given the stations of a source, by their ids in it.
-- Locks     the source's row
-- Writes    source
-- Raises    OR101 bad argument · OR107 unknown source
create or replace function {{ api }}.serve_source(p_source text, p_serves_http boolean)
    returns table (source text, serves_http boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument('p_serves_http', p_serves_http is not null, null, 'true or false');
    -- streams added by hand are a source of their own here
    if p_source is distinct from 'manual' then
        perform {{ private }}.known_source(p_source);
    end if;
    return query
    update {{ private }}.source as s set serves_http = p_serves_http where s.source = p_source returning s.source, s.serves_http;
end
$function$;
comment on function {{ api }}.serve_source(text, boolean) is
'Say whether clients that speak HTTP may be given the stations of a source, by their ids in it. Two sources that know different stations by one number cannot both serve them.
p_source: the source.
p_serves_http: whether they may.
source: the source.
serves_http: whether they may.
Raises: OR101, OR107.
Example: select * from {{ api }}.serve_source(''manual'', false);';
revoke all on function {{ api }}.serve_source(text, boolean) from public;
grant execute on function {{ api }}.serve_source(text, boolean) to {{ admin }};
