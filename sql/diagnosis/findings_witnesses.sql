-- Findings of diagnose(): what the production database tells of clients, and the books do not.
--   count_differs     a client says that it hears another number of streams than it has by the books, in three rows in a row
--   nothing_written   streams that a client has had for an hour were not written by it, while others were
--   written_twice     two instances have written one station in the last ten minutes
--   witness_failing   a table that is to be read as a witness cannot be
-- Reads     witness, witnessed_client, witnessed_station, pull_client, instance, instance_load, assignment, stream

create or replace function {{ private }}.findings_witnesses()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    select 'warning', 'count_differs', 'instance ' || c.instance_id,
        format('it says that it hears %s streams, and has %s by the books', k.processing, l.owned),
        jsonb_build_object(
            'says', k.processing, 'booked', l.owned, 'first_answer', k.first_answer, 'rows', k.differing_rows, 'last_row_at', k.advanced_at,
            'source', k.source
        ),
        case
            when k.processing < l.owned then 'What it was given after its first answer it may not have started. Restart it: the first answer of its next life names all of them.'
            else 'It hears what is not its own, and stops none because of an answer. Recreate its container, so that it begins with an empty list.'
        end,
        null
    from {{ private }}.witnessed_client as k
    join {{ private }}.pull_client as c on c.instance_id = k.instance_id
    join {{ private }}.instance as i on i.instance_id = k.instance_id and i.is_living and i.placement = 'pull'
    join {{ private }}.instance_load as l on l.instance_id = k.instance_id
    where k.differing_rows >= 3 and k.processing <> l.owned
        -- an older row tells nothing of now
        and k.advanced_at > {{ private }}.now() - interval '5 minutes'
    union all
    select 'warning', 'witness_failing', format('source %s, %s', w.source, w.witness),
        'it could not be read ' || w.consecutive_failures || ' times in a row: ' || coalesce(w.last_error ->> 'message', 'no message'),
        jsonb_build_object(
            'table_name', w.table_name, 'last_success_at', w.last_success_at, 'last_attempt_at', w.last_attempt_at,
            'consecutive_failures', w.consecutive_failures, 'error', w.last_error
        ),
        coalesce(w.last_error ->> 'hint' || ' ', '') || 'Nothing depends on it: clients are judged by what they say over HTTP. It is tried again by itself; the repair ends that.',
        format('orchestrator source add %s %s --schema {{ api }}', w.source, case w.witness when 'heartbeats' then '--no-heartbeats' else '--no-music-log' end)
    from {{ private }}.witness as w
    join {{ private }}.source as s on s.source = w.source and s.enabled
    where w.consecutive_failures >= 3
$function$;
comment on function {{ private }}.findings_witnesses() is 'Findings: clients whose own count differs from the books, and witnesses that cannot be read.';

create or replace function {{ private }}.findings_music()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with watched as materialized (
        select w.source, w.watched_since
        from {{ private }}.witness as w
        where w.witness = 'music_log' and w.last_success_at > {{ private }}.now() - interval '5 minutes'
    ),
    -- a name that two stations have tells of neither
    station as materialized (
        select s.source, s.name, min(s.stream_id) as stream_id
        from {{ private }}.stream as s
        join watched as w on w.source = s.source
        where s.active
        group by s.source, s.name
        having count(*) = 1
    ),
    written as materialized (
        select
            t.source, t.name, array_agg(t.written_by order by t.written_by) as written_by,
            array_agg(t.written_by order by t.written_by) filter (
                where t.written_at > greatest(w.watched_since, {{ private }}.now() - interval '10 minutes')
            ) as written_now_by
        from {{ private }}.witnessed_station as t
        join watched as w on w.source = t.source
        where t.written_at > {{ private }}.now() - interval '1 hour'
        group by t.source, t.name
    ),
    held as (
        select
            n.source, n.name, a.instance_id, t.name is not null as is_written,
            coalesce(c.name <> all(t.written_by), true) as is_silent
        from station as n
        join watched as w on w.source = n.source and w.watched_since <= {{ private }}.now() - interval '1 hour'
        join {{ private }}.assignment as a on a.stream_id = n.stream_id and a.assigned_at <= {{ private }}.now() - interval '1 hour'
        join {{ private }}.instance as i on i.instance_id = a.instance_id and i.is_living and i.placement = 'pull'
        join {{ private }}.pull_client as c on c.instance_id = a.instance_id
        left join written as t on t.source = n.source and t.name = n.name
        where n.source in (select t.source from written as t)
    ),
    silent as (
        select
            h.source, h.instance_id, count(*) as streams, count(*) filter (where h.is_silent) as silent,
            (array_agg(h.name order by h.name) filter (where h.is_silent))[1:20] as names,
            (array_agg(h.name order by h.name) filter (where h.is_silent and h.is_written))[1:20] as by_others
        from held as h
        group by h.source, h.instance_id
    ),
    twice as (
        select t.source, t.written_now_by as written_by, count(*) as stations, (array_agg(t.name order by t.name))[1:20] as names
        from written as t
        join station as n on n.source = t.source and n.name = t.name
        join {{ private }}.assignment as a on a.stream_id = n.stream_id
        where cardinality(t.written_now_by) > 1
            -- one that lost the station may still write what it heard before
            and coalesce(a.assigned_at <= {{ private }}.now() - interval '15 minutes', true)
        group by t.source, t.written_now_by
    )
    select case when s.silent = s.streams then 'warning' else 'info' end, 'nothing_written', 'instance ' || s.instance_id,
        format('%s of its %s streams have not been written by it for an hour, while others were', s.silent, s.streams),
        jsonb_build_object('source', s.source, 'streams', s.streams, 'silent', s.silent, 'names', s.names, 'written_by_others', coalesce(s.by_others, '{}')),
        'A station may play nothing that is known. If it does, the client does not hear it: restart it, and its first answer names it again.',
        null
    from silent as s
    where s.silent > 0
    union all
    select 'warning', 'written_twice', 'instances ' || array_to_string(t.written_by, ', '),
        format('they have all written the same %s stations in the last ten minutes', t.stations),
        jsonb_build_object('source', t.source, 'instances', t.written_by, 'stations', t.stations, 'names', t.names),
        'These stations are heard twice. Recreate the container of the one that does not have them by the books: it stops none because of an answer.',
        null
    from twice as t
$function$;
comment on function {{ private }}.findings_music() is 'Findings: what music_log tells of who hears what.';
