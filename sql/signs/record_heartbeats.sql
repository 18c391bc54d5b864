-- The rows that clients write of themselves into the production database, as a driver has just read them. Only those of clients that
-- have registered here count; a row registers nothing and brings nothing back.
-- A row is a sign of life when it has been written anew since the last reading, says that it is online, is no older than heartbeats_timeout
-- and not of the future, and has the address that the client's rows have had since its registration. Its age is told by the database that
-- it stands in, so that no two clocks have to agree; a row that was written by a wrong clock is none, or an older one than it is.
-- Reads     pull_client, instance, instance_load, setting
-- Writes    witness, witnessed_client
-- Raises    OR101 the rows are no list
create or replace function {{ api }}.record_heartbeats(p_source text, p_rows jsonb, p_read_at timestamptz default null)
    returns table (clients integer, signs integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_timeout interval := {{ private }}.setting_interval('heartbeats_timeout');
    v_read_at timestamptz := least(p_read_at, {{ private }}.now()); -- null: now
    v_witness {{ private }}.witness;
begin
    perform {{ private }}.require_moment('p_read_at', coalesce(p_read_at, v_read_at));
    perform {{ private }}.require_argument('p_rows', jsonb_typeof(p_rows) = 'array', null, 'an array of objects');
    v_witness := {{ private }}.record_witness(p_source, 'heartbeats', v_read_at);
    return query
    with said as (
        select
            c.instance_id, r.last_heartbeat, r.ip_address, r.status, c.registered_at,
            -- by our clock; the age stands between bounds that no arithmetic leaves
            case when r.age between 0 and extract(epoch from v_timeout) then v_read_at - r.age * interval '1 second' end as written_at,
            case when r.processing between 0 and 1000000 then r.processing::bigint end as processing,
            case when r.first_answer between 0 and 1000000 then r.first_answer::bigint end as first_answer,
            case when i.is_living then l.owned end as owned
        from jsonb_to_recordset(p_rows) as r(
            server_id text, last_heartbeat timestamptz, age double precision, status text, ip_address text,
            processing double precision, first_answer double precision
        )
        join {{ private }}.pull_client as c on c.instance_id = {{ private }}.pull_instance_id(r.server_id) and c.name = r.server_id
        join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull'
        join {{ private }}.instance_load as l on l.instance_id = c.instance_id
        where v_witness.source is not null
    ),
    judged as (
        select
            s.*, k.instance_id is not null as is_known, coalesce(s.last_heartbeat > k.last_heartbeat, false) as has_advanced,
            -- the first row of a life says where the client is
            coalesce(k.ip_since > s.registered_at, false) as is_placed, k.ip_address as placed_at,
            case when s.processing is null or s.owned is null or s.processing = s.owned then 0 else coalesce(k.differing_rows, 0) + 1 end as differing_rows
        from said as s
        left join {{ private }}.witnessed_client as k on k.instance_id = s.instance_id and k.source = p_source
    ),
    signed as (
        select
            j.*,
            case
                when j.has_advanced and lower(j.status) = 'online' and (not j.is_placed or j.ip_address is not distinct from j.placed_at)
                    then j.written_at
            end as signed_at
        from judged as j
    ),
    written as (
        insert into {{ private }}.witnessed_client as k (
            source, instance_id, last_heartbeat, processing, first_answer, differing_rows, advanced_at, signed_at, ip_address, ip_since
        )
        select p_source, s.instance_id, s.last_heartbeat, s.processing, s.first_answer, 0, null, null, null, null
        from signed as s
        where not s.is_known
        on conflict (instance_id, source) do nothing
    ),
    renewed as (
        update {{ private }}.witnessed_client as k
        set
            last_heartbeat = s.last_heartbeat,
            processing = s.processing,
            first_answer = s.first_answer,
            differing_rows = case when s.has_advanced then s.differing_rows else k.differing_rows end,
            advanced_at = case when s.has_advanced then v_read_at else k.advanced_at end,
            signed_at = greatest(k.signed_at, s.signed_at),
            ip_address = case when not s.is_placed and s.signed_at > s.registered_at then s.ip_address else k.ip_address end,
            ip_since = case when not s.is_placed and s.signed_at > s.registered_at then s.signed_at else k.ip_since end
        from signed as s
        where s.is_known and k.instance_id = s.instance_id and k.source = p_source and k.last_heartbeat <> s.last_heartbeat
    )
    select count(*)::integer, count(s.signed_at)::integer from signed as s;
end
$function$;
comment on function {{ api }}.record_heartbeats(text, jsonb, timestamptz) is
'Take the rows that clients wrote of themselves into the production database. One that was written anew is a sign of life: its client is not declared lost for its silence over HTTP before heartbeats_timeout has passed since then. It registers nothing and brings nothing back. The number of streams that a client says it hears is kept beside that of the books.
p_source: the source in whose database the table is.
p_rows: an array of {"server_id", "last_heartbeat", "age" (seconds, by that database''s clock), "status", "ip_address", "processing", "first_answer"}, each client once.
p_read_at: the moment of reading, as witnesses_due returned it; null: now.
clients: how many of the rows are of clients that have registered here.
signs: how many of those are signs of life.
Raises: OR101.
Example: select * from {{ api }}.record_heartbeats(''production'', ''[{"server_id": "server-1", "last_heartbeat": "2026-03-01T12:00:00Z", "age": 4.2, "status": "ONLINE", "processing": 20}]'');';
revoke all on function {{ api }}.record_heartbeats(text, jsonb, timestamptz) from public;
grant execute on function {{ api }}.record_heartbeats(text, jsonb, timestamptz) to {{ admin }};
