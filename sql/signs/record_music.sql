-- What instances have written into music_log since the last reading, as a driver has just read it. Its dates and times are of many clocks;
-- that a row is newer than another is told by its id, and when it was written by the moment of reading.
-- Writes    witness, witnessed_station
-- Raises    OR101 the rows are no list
create or replace function {{ api }}.record_music(p_source text, p_rows jsonb, p_last_id bigint, p_read_at timestamptz default null)
    returns table (stations integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_read_at timestamptz := least(p_read_at, {{ private }}.now()); -- null: now
    v_witness {{ private }}.witness;
begin
    perform {{ private }}.require_moment('p_read_at', coalesce(p_read_at, v_read_at));
    perform {{ private }}.require_argument('p_rows', jsonb_typeof(p_rows) = 'array', null, 'an array of objects');
    v_witness := {{ private }}.record_witness(p_source, 'music_log', v_read_at);
    update {{ private }}.witness as w
    set
        last_row_id = coalesce(p_last_id, 0),
        -- a table that was made anew begins anew
        watched_since = case when coalesce(p_last_id, 0) < w.last_row_id then v_read_at else w.watched_since end
    where w.source = v_witness.source and w.witness = v_witness.witness;

    delete from {{ private }}.witnessed_station as t
    where t.source = v_witness.source and t.written_at < v_read_at - interval '1 day';

    return query
    with written as (
        select left(btrim(r.name), 500) as name, left(r.written_by, 200) as written_by
        from jsonb_to_recordset(p_rows) as r(name text, written_by text)
        where v_witness.source is not null and btrim(r.name) <> '' and r.written_by <> ''
        group by 1, 2
    ),
    kept as (
        insert into {{ private }}.witnessed_station as t (source, name, written_by, written_at)
        select p_source, w.name, w.written_by, v_read_at from written as w order by w.name, w.written_by
        on conflict (source, name, written_by) do update
        set written_at = excluded.written_at
        returning t.name
    )
    select count(distinct k.name)::integer from kept as k;
end
$function$;
comment on function {{ api }}.record_music(text, jsonb, bigint, timestamptz) is
'Take what instances have written into music_log since the last reading: a witness of who hears what, for diagnose().
p_source: the source in whose database the table is.
p_rows: an array of {"name": the station, "written_by": the instance, by its own name}.
p_last_id: the newest id in the table; null when it is empty.
p_read_at: the moment of reading, as witnesses_due returned it; null: now.
stations: how many stations were written.
Raises: OR101.
Example: select * from {{ api }}.record_music(''production'', ''[{"name": "Radio 1", "written_by": "server-1"}]'', 4711);';
revoke all on function {{ api }}.record_music(text, jsonb, bigint, timestamptz) from public;
grant execute on function {{ api }}.record_music(text, jsonb, bigint, timestamptz) to {{ admin }};
