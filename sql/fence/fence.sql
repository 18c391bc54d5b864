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
-- Locks     high_water (one row; by stream_id when a transaction writes for several streams): shared by assert_current, alone by advance.
--           Both are held until the transaction ends. Write in short transactions.
-- Install   psql -f, in the database of results, as its owner; then
--           grant usage on schema {{ fence }} to your_writer; grant execute on all functions in schema {{ fence }} to your_writer;
-- Again     the file may be applied any number of times; the marks stay.

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

-- Raise the mark of a stream: from now on, only this epoch and higher ones may write.
-- Locks     high_water (the row, alone): waits for every transaction that wrote under an earlier assert_current
-- Writes    high_water
-- Raises    22004 a null · OR302 a higher epoch was here before · 55P03 a writer kept its transaction open for 5 s
create or replace function {{ fence }}.advance(p_stream_id bigint, p_epoch bigint)
    returns void
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

-- Check, in the transaction of a write, that no newer owner has the stream, and keep it so until the transaction ends.
-- Locks     high_water (the row, shared): an advance waits for this transaction, other writers do not
-- Writes    high_water, when the stream or this epoch was not seen before
-- Raises    22004 a null · OR302 a higher epoch was here before · 55P03 an advance kept its transaction open for 5 s
create or replace function {{ fence }}.assert_current(p_stream_id bigint, p_epoch bigint)
    returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_epoch bigint;
begin
    -- When the mark must rise, take it alone at once: two sessions that both shared it first could not raise it any more.
    if not exists (select from {{ fence }}.high_water mark where mark.stream_id = p_stream_id and mark.epoch >= p_epoch) then
        perform {{ fence }}.advance(p_stream_id, p_epoch);
    end if;
    -- In its own statement: after a wait it sees the row as the other transaction left it.
    select mark.epoch into strict v_epoch from {{ fence }}.high_water mark where mark.stream_id = p_stream_id for share;
    if v_epoch > p_epoch then
        raise exception using
            errcode = 'OR302',
            message = 'the stream has a newer owner',
            detail = jsonb_build_object('stream_id', p_stream_id, 'epoch', p_epoch, 'highest_epoch', v_epoch)::text,
            hint = 'Stop this stream and drop what was heard for it: another instance, or a later life of this one, has it now.';
    end if;
end
$function$;
comment on function {{ fence }}.assert_current(bigint, bigint) is 'Call first in the transaction of a write: refuses (OR302) an epoch lower than the highest seen for the stream, and makes a new owner''s advance wait until the write has ended.';

revoke all on schema {{ fence }} from public;
revoke all on all tables in schema {{ fence }} from public;
revoke all on all functions in schema {{ fence }} from public;
