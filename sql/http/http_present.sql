-- An HTTP server says that it is there. While none is, no client that asks for its streams is lost for its silence.
-- Writes    http_presence
create or replace function {{ api }}.http_present()
    returns table (again_in double precision)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.http_server_present();
    return query select extract(epoch from {{ private }}.setting_interval('http_absence') / 5)::double precision;
end
$function$;
comment on function {{ api }}.http_present() is
'Say that an HTTP server is there and clients can speak.
again_in: say so again after so many seconds.
Example: select * from {{ api }}.http_present();';
revoke all on function {{ api }}.http_present() from public;
grant execute on function {{ api }}.http_present() to {{ worker }}, {{ admin }};
