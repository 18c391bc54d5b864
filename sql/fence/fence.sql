-- The fence for a database of results: a write by an owner that has been replaced is refused here, where it would do harm.
--
-- The orchestrator gives a stream to one instance at a time, and each ownership has an epoch that only grows. An instance that
-- was replaced and does not know it yet (a hung process, a cut-off host, a query on its way) still has its old epoch, and cannot be
-- stopped from a distance. So the database that it writes to remembers the highest epoch it has seen for each stream and refuses
-- lower ones. It needs no connection to the orchestrator.
--
-- Two calls make it tight:
--   1. A new owner calls   advance(stream_id, epoch)          before it connects to the stream, and only counts what it heard completely after that.
--   2. Every write calls   assert_current(stream_id, epoch)   in its own transaction, before it writes.
-- The first alone decides who may write from now on; it waits for writes that are under way. The second alone would not be enough:
-- the second of sound at the boundary could be written by the old owner under 5 and then by the new one under 6.
--
-- A writer of batches loses a whole batch to one refusal that raises. Two more ways refuse a single row:
--   is_current(stream_id, epoch)   the same check as a question:  insert into … select … from … where {{ fence }}.is_current(stream_id, epoch)
--   skip_refused                   the same check as a trigger, which leaves a refused row out and counts it in the table refused:
--                                  create trigger fence before insert on music_log
--                                      for each row execute function {{ fence }}.skip_refused('stream_id', 'epoch');
--
-- Locks     high_water (one row each): shared by assert_current, is_current and skip_refused, alone by advance and by any of them that
--           sees an epoch for the first time. All are held until the transaction ends. Write in short transactions, and
--           sort a batch by stream_id and epoch: two batches in one order wait for each other, in different orders they can deadlock.
-- Install   psql -f, in the database of results, as its owner; then
--           grant usage on schema {{ fence }} to your_writer; grant execute on all functions in schema {{ fence }} to your_writer;
--           grant select on {{ fence }}.refused to your_reader;
-- Again     the file may be applied any number of times, over an older one too: marks, counts and grants stay, and whoever could
--           call assert_current can call what is new.

create schema if not exists {{ fence }};
comment on schema {{ fence }} is 'The fence: refuses writes of results by an instance that does not own the stream any more.';

create table if not exists {{ fence }}.high_water (
    stream_id bigint not null,
    epoch bigint not null,
    constraint high_water_pkey primary key (stream_id)
) with (fillfactor = 50);
comment on table {{ fence }}.high_water is 'The highest epoch seen for each stream. Only the functions of this schema write it.';
comment on column {{ fence }}.high_water.stream_id is 'The stream, as the orchestrator numbers it.';
comment on column {{ fence }}.high_water.epoch is 'The highest epoch under which anybody wrote or announced to write; it never falls.';

create table if not exists {{ fence }}.refused (
    stream_id bigint not null,
    day date not null,
    refusals bigint not null,
    last_epoch bigint not null,
    last_at timestamptz not null,
    constraint refused_pkey primary key (stream_id, day)
) with (fillfactor = 50);
comment on table {{ fence }}.refused is 'How many rows the trigger skip_refused has left out, by stream and day.';
comment on column {{ fence }}.refused.stream_id is 'The stream, as the orchestrator numbers it.';
comment on column {{ fence }}.refused.day is 'The day, in UTC.';
comment on column {{ fence }}.refused.refusals is 'Rows that were left out on that day.';
comment on column {{ fence }}.refused.last_epoch is 'The epoch of the last of them.';
comment on column {{ fence }}.refused.last_at is 'When the last of them was left out.';

-- What advance and the checks have in common: raise the mark of a stream to an epoch, unless it is higher.
-- Locks     high_water (the row, alone): waits for every transaction that wrote after an earlier check
-- Writes    high_water
-- Raises    22004 a null · 55P03 a writer kept its transaction open for 5 s
create or replace function {{ fence }}.raise_mark(p_stream_id bigint, p_epoch bigint)
    returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_epoch bigint;
begin
    if p_stream_id is null or p_epoch is null then
        raise exception using
            errcode = '22004',
            message = 'the fence needs a stream and an epoch',
            detail = jsonb_build_object('stream_id', p_stream_id, 'epoch', p_epoch)::text,
            hint = 'Pass the stream_id and the epoch that the orchestrator gave with the stream.';
    end if;
    -- A conflicting row is locked even when its epoch is high enough to stay, so what is read next cannot change.
    insert into {{ fence }}.high_water as mark (stream_id, epoch)
    values (p_stream_id, p_epoch)
    on conflict (stream_id) do update set epoch = excluded.epoch where mark.epoch < excluded.epoch;
    select mark.epoch into strict v_epoch from {{ fence }}.high_water mark where mark.stream_id = p_stream_id;
    return v_epoch;
end
$function$;
comment on function {{ fence }}.raise_mark(bigint, bigint) is 'The mark of a stream after it was raised to this epoch, or as it was when it is higher. Waits for writes that are under way.';

-- Raise the mark of a stream: from now on, only this epoch and higher ones may write.
-- Locks     high_water (the row, alone): waits for every transaction that wrote after an earlier check
-- Writes    high_water
-- Raises    22004 a null · OR302 a higher epoch was here before · 55P03 a writer kept its transaction open for 5 s
create or replace function {{ fence }}.advance(p_stream_id bigint, p_epoch bigint)
    returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_epoch bigint := {{ fence }}.raise_mark(p_stream_id, p_epoch);
begin
    if v_epoch > p_epoch then
        raise exception using
            errcode = 'OR302',
            message = 'the stream has a newer owner',
            detail = jsonb_build_object('stream_id', p_stream_id, 'epoch', p_epoch, 'highest_epoch', v_epoch)::text,
            hint = 'Stop this stream: another instance, or a later life of this one, has it now.';
    end if;
end
$function$;
comment on function {{ fence }}.advance(bigint, bigint) is 'A new owner announces itself before it listens: writes under lower epochs are refused from now on. Waits for writes that are under way. Refuses (OR302) when a higher epoch was here before.';

-- Ask, in the transaction of a write, whether no newer owner has the stream, and keep it so until the transaction ends.
-- Locks     high_water (the row, shared): an advance waits for this transaction, other writers do not
-- Writes    high_water, when the stream or this epoch was not seen before
-- Raises    22004 a null · 55P03 an advance kept its transaction open for 5 s
create or replace function {{ fence }}.is_current(p_stream_id bigint, p_epoch bigint)
    returns boolean
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_epoch bigint;
begin
    -- When the mark must rise, take it alone at once: two sessions that both shared it first could not raise it any more.
    if not exists (select from {{ fence }}.high_water mark where mark.stream_id = p_stream_id and mark.epoch >= p_epoch) then
        perform {{ fence }}.raise_mark(p_stream_id, p_epoch);
    end if;
    -- In its own statement: after a wait it sees the row as the other transaction left it.
    select mark.epoch into strict v_epoch from {{ fence }}.high_water mark where mark.stream_id = p_stream_id for share;
    return v_epoch <= p_epoch;
end
$function$;
comment on function {{ fence }}.is_current(bigint, bigint) is 'For the where of an insert: whether this epoch is the highest seen for the stream. Makes a new owner''s advance wait until the write has ended. A row that it refuses is not counted.';

-- Count a row that was left out.
-- Locks     refused (the row of the stream and the day)
-- Writes    refused
create or replace function {{ fence }}.count_refused(p_stream_id bigint, p_epoch bigint)
    returns void
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
    insert into {{ fence }}.refused as r (stream_id, day, refusals, last_epoch, last_at)
    values (p_stream_id, (now() at time zone 'UTC')::date, 1, p_epoch, now())
    on conflict (stream_id, day) do update
    set refusals = r.refusals + 1, last_epoch = excluded.last_epoch, last_at = excluded.last_at
$function$;
comment on function {{ fence }}.count_refused(bigint, bigint) is 'Counts a row that the trigger skip_refused has left out.';

-- Whoever could call assert_current of an older fence can call what came since. Before assert_current itself calls it.
do $do$
declare
    v_writer regrole;
begin
    for v_writer in
        select distinct g.grantee::regrole
        from pg_proc as p cross join lateral aclexplode(p.proacl) as g
        where p.oid = to_regprocedure('{{ fence }}.assert_current(bigint, bigint)') and g.grantee not in (0, p.proowner)
    loop
        execute format('grant execute on all functions in schema {{ fence }} to %s', v_writer);
        execute format('grant select on {{ fence }}.refused to %s', v_writer);
    end loop;
end
$do$;

-- Check, in the transaction of a write, that no newer owner has the stream, and keep it so until the transaction ends.
-- Runs as its caller: it costs what is_current costs.
-- Locks     as is_current
-- Writes    as is_current
-- Raises    OR302 a higher epoch was here before; else as is_current
create or replace function {{ fence }}.assert_current(p_stream_id bigint, p_epoch bigint)
    returns void
    language plpgsql volatile security invoker
as $function$
begin
    if not {{ fence }}.is_current(p_stream_id, p_epoch) then
        raise exception using
            errcode = 'OR302',
            message = 'the stream has a newer owner',
            detail = jsonb_build_object('stream_id', p_stream_id, 'epoch', p_epoch, 'highest_epoch', {{ fence }}.raise_mark(p_stream_id, p_epoch))::text,
            hint = 'Stop this stream and drop what was heard for it: another instance, or a later life of this one, has it now.';
    end if;
end
$function$;
comment on function {{ fence }}.assert_current(bigint, bigint) is 'Call first in the transaction of a write: refuses (OR302) an epoch lower than the highest seen for the stream, and makes a new owner''s advance wait until the write has ended.';

-- The trigger: leaves out, and counts, a row of a replaced owner, so that the rest of its batch is written.
-- Its two arguments are the columns of the stream and of the epoch. Runs as the writer, because the row may have types of anybody.
-- Locks     high_water (the row, shared), and refused when the row is left out
-- Raises    22004 a null, or a column that the table does not have; else as is_current
create or replace function {{ fence }}.skip_refused()
    returns trigger
    language plpgsql volatile security invoker
as $function$
declare
    v_row jsonb := to_jsonb(new);
    v_stream_id bigint := v_row ->> tg_argv[0];
    v_epoch bigint := v_row ->> tg_argv[1];
begin
    if v_stream_id is null or v_epoch is null then
        raise exception using
            errcode = '22004',
            message = 'the fence needs a stream and an epoch',
            detail = jsonb_build_object('table', tg_relid::regclass, 'stream_id', tg_argv[0], 'epoch', tg_argv[1], 'row', v_row)::text,
            hint = 'Name the two columns where the trigger is made, skip_refused(''stream_id'', ''epoch''), and write both with each row.';
    end if;
    if {{ fence }}.is_current(v_stream_id, v_epoch) then
        return new;
    end if;
    perform {{ fence }}.count_refused(v_stream_id, v_epoch);
    return null;
end
$function$;
comment on function {{ fence }}.skip_refused() is 'Trigger, before insert, for each row; its arguments name the columns of the stream and of the epoch. Leaves out a row under an epoch lower than the highest seen for its stream, and counts it in the table refused.';

revoke all on schema {{ fence }} from public;
revoke all on all tables in schema {{ fence }} from public;
revoke all on all functions in schema {{ fence }} from public;
