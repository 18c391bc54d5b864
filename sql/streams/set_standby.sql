-- Say whether a stream is to have a standby. It gets one, or loses it, with the next look of the job place_standbys.
-- Locks     decision; stream row
-- Writes    stream, job
-- Notifies  wake
-- Raises    OR102 unknown stream · OR108 the window of standbys is too short · 55P03
create or replace function {{ api }}.set_standby(p_stream_id bigint, p_standby boolean)
    returns table (stream_id bigint, standby boolean, has_one boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.lock_decisions();
    update {{ private }}.stream as s set standby = p_standby where s.stream_id = p_stream_id;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    if p_standby then
        perform {{ private }}.check_standby_window();
    end if;
    perform {{ private }}.wake('place_standbys');
    return query
    select
        s.stream_id, s.standby,
        exists (select from {{ private }}.standby as b where b.stream_id = s.stream_id and b.ended_at is null)
    from {{ private }}.stream as s
    where s.stream_id = p_stream_id;
end
$function$;
comment on function {{ api }}.set_standby(bigint, boolean) is
'Say whether a stream is to have a standby: another instance that hears it, on another host, and owns it in the moment in which its owner is lost.
p_stream_id: the stream.
p_standby: true or false; null: as the setting standbys says.
stream_id: the stream.
standby: what is said now.
has_one: whether it has one at this moment; the job place_standbys looks every few seconds.
Raises: OR102, OR108, 55P03.
Example: select * from {{ api }}.set_standby(1, true);';
revoke all on function {{ api }}.set_standby(bigint, boolean) from public;
grant execute on function {{ api }}.set_standby(bigint, boolean) to {{ admin }};
