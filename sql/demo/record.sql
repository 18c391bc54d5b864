-- A new owner announces itself: before it connects to the station, or before it writes what it heard while it prepared.
-- What the old owner has under way is waited for, and more cannot come; so the answer is final.
-- Locks     the fence's row of the stream, alone
-- Raises    OR302 the stream has a newer owner
create function music_log.announce(p_stream_id bigint, p_epoch bigint)
    returns bigint
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    select {{ fence }}.advance(p_stream_id, p_epoch);
    select max(heard.second) from music_log.heard where heard.stream_id = p_stream_id;
end;
comment on function music_log.announce(bigint, bigint) is 'A new owner of a stream raises the fence: from now on writes under lower epochs are refused (OR302). Returns the last second that was written.';

-- Write one second that was heard, if its epoch is still the highest.
-- Locks     the fence's row of the stream, shared
-- Writes    heard
-- Raises    OR302 the stream has a newer owner
create function music_log.record_second(
    p_stream_id bigint, p_station integer, p_second bigint, p_epoch bigint, p_instance_id text, p_heard_at timestamptz
)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $function$
begin
    perform {{ fence }}.assert_current(p_stream_id, p_epoch);
    insert into music_log.heard (stream_id, station, second, epoch, instance_id, heard_at, written_at)
    values (p_stream_id, p_station, p_second, p_epoch, p_instance_id, p_heard_at, statement_timestamp());
end
$function$;
comment on function music_log.record_second(bigint, integer, bigint, bigint, text, timestamptz) is 'Writes one second that was heard, if its epoch is still the highest (else OR302).';

-- Write what a worker process heard in the last moments, each second through the fence, the batch once.
-- Locks     writer (the process's row); the fence's rows, shared, by stream_id
-- Writes    writer, heard; refused
create function music_log.record_seconds(p_process text, p_batch bigint, p_instance_id text, p_seconds jsonb)
    returns table (written integer, refused integer)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $function$
#variable_conflict use_column
declare
    v_second record;
    v_detail text;
    v_written integer := 0;
    v_refused integer := 0;
begin
    -- When the same batch is still under way in a session that the process has lost, this waits for its end.
    insert into music_log.writer as known (process, instance_id, last_batch)
    values (p_process, p_instance_id, p_batch)
    on conflict (process) do update set last_batch = excluded.last_batch where known.last_batch < excluded.last_batch;
    if not found then
        return query select 0, 0;
        return;
    end if;
    for v_second in
        select heard.*
        from jsonb_to_recordset(p_seconds)
            as heard (stream_id bigint, station integer, second bigint, epoch bigint, heard_at timestamptz)
        order by heard.stream_id, heard.second
    loop
        begin
            perform music_log.record_second(
                v_second.stream_id, v_second.station, v_second.second, v_second.epoch, p_instance_id, v_second.heard_at
            );
            v_written := v_written + 1;
        exception when sqlstate 'OR302' then
            get stacked diagnostics v_detail = pg_exception_detail;
            insert into music_log.refused (stream_id, station, second, epoch, instance_id, heard_at, refused_at, detail)
            values (
                v_second.stream_id, v_second.station, v_second.second, v_second.epoch, p_instance_id, v_second.heard_at,
                statement_timestamp(), v_detail::jsonb
            );
            v_refused := v_refused + 1;
        end;
    end loop;
    return query select v_written, v_refused;
end
$function$;
comment on function music_log.record_seconds(text, bigint, text, jsonb) is 'Writes what a worker process heard: a JSON array of {stream_id, station, second, epoch, heard_at}. A batch number that is not higher than the last one of the process writes nothing.';

-- Note that an act begins now.
-- Writes    act
create function music_log.begin_act(p_act text, p_description text)
    returns table (act_id integer, began_at timestamptz)
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    insert into music_log.act (act, description, began_at) values (p_act, p_description, statement_timestamp())
    returning act.act_id, act.began_at;
end;
comment on function music_log.begin_act(text, text) is 'Notes that an act of the demo begins now; the one before it ends.';

-- Put the stations into the table of streams.
-- Writes    public.streams
create function music_log.open_stations(p_stations integer, p_address text)
    returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    insert into public.streams (url, name, sheet, cidade, estado, regiao, segmento, index)
    select
        format('%s/station/%s.wav', p_address, station.number),
        format('Rádio %s', station.number),
        'demo',
        (array['São Paulo', 'Rio de Janeiro', 'Belo Horizonte', 'Curitiba'])[1 + station.number % 4],
        (array['SP', 'RJ', 'MG', 'PR'])[1 + station.number % 4],
        (array['Sudeste', 'Sudeste', 'Sudeste', 'Sul'])[1 + station.number % 4],
        (array['Adulto', 'Jovem', 'Popular'])[1 + station.number % 3],
        station.number
    from generate_series(1, p_stations) as station (number);
end;
comment on function music_log.open_stations(integer, text) is 'Fills the table of streams with stations 1 to n of the demo''s station server.';

-- Take the orchestrator's record of what it did, to hold beside the ledger.
-- Writes    movement, decision, gap
create function music_log.keep_record(p_movements jsonb, p_decisions jsonb, p_gaps jsonb default '[]')
    returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    insert into music_log.movement (stream_id, epoch, moved_at, from_instance_id, to_instance_id)
    select taken.stream_id, taken.epoch, taken.moved_at, taken.from_instance_id, taken.to_instance_id
    from jsonb_to_recordset(p_movements)
        as taken (stream_id bigint, epoch bigint, moved_at timestamptz, from_instance_id text, to_instance_id text);
    insert into music_log.decision (decision_id, decided_at, rule, moves, least_moves)
    select taken.decision_id, taken.decided_at, taken.rule, taken.moves, taken.least_moves
    from jsonb_to_recordset(p_decisions)
        as taken (decision_id bigint, decided_at timestamptz, rule text, moves integer, least_moves integer);
    insert into music_log.gap (stream_id, cause, began_at, sure_at, ended_at)
    select taken.stream_id, taken.cause, taken.began_at, taken.sure_at, taken.ended_at
    from jsonb_to_recordset(p_gaps)
        as taken (stream_id bigint, cause text, began_at timestamptz, sure_at timestamptz, ended_at timestamptz);
end;
comment on function music_log.keep_record(jsonb, jsonb, jsonb) is 'Copies the orchestrator''s movements, decisions and gaps beside the ledger.';
