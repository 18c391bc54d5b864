-- Make the streams of a source equal to a staged batch: one set-based merge under the decision lock.
-- New rows become waiting streams, changed ones are updated, inactive ones taken from their owners, vanished ones
-- removed. A stream whose url changed gets a new epoch, so that its owner connects again; a new name restarts nothing.
-- Rows that cannot be stations are skipped and leave their streams as they are. A batch that changes nothing takes no
-- lock: sources are read every minute, and rarely differ.
-- Locks     decision; instance, stream, assignment (by id); source
-- Writes    stream, assignment, requirement, source, stream_staging, decision, movement, withdrawal, settle_request
-- Notifies  the owners of streams taken or reconnected
-- Raises    OR101 no batch, or the source is 'manual' · OR107 unknown source · OR109 unusable rows · OR406 too much
--           would be lost · 55P03
create or replace function {{ api }}.sync_streams(
    p_source text,
    p_batch uuid,
    p_force boolean default false,
    p_read_at timestamptz default null,
    p_keep_vanished boolean default false,
    p_event_id uuid default null
)
    returns table (
        inserted integer, updated integer, activated integer, deactivated integer, removed integer, unchanged integer,
        skipped integer, reconnected integer, superseded boolean, skipped_rows jsonb
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_source {{ private }}.source := {{ private }}.known_source(p_source);
    v_read_at timestamptz := coalesce(p_read_at, {{ private }}.now());
    v_change record;
    v_reconnected integer := 0;
begin
    perform {{ private }}.require_argument('p_batch', p_batch is not null, 'null', 'the uuid of rows in {{ api }}.stream_staging');
    perform {{ private }}.require_moment('p_read_at', v_read_at);
    perform {{ private }}.continue_event(p_event_id);
    perform {{ private }}.check_batch(p_source, p_batch);
    select * into strict v_change from {{ private }}.batch_changes(p_source, p_batch, p_keep_vanished);
    if v_change.changes > 0 then
        perform {{ private }}.lock_decisions();
        v_source := {{ private }}.known_source(p_source);
        if v_read_at < {{ private }}.last_read_at(v_source) then
            delete from {{ api }}.stream_staging as s where s.batch = p_batch;
            return query select 0, 0, 0, 0, 0, 0, 0, 0, true, jsonb '[]';
            return;
        end if;
        if v_change.unmet > 0 then
            perform {{ private }}.make_requirements(p_batch);
        end if;
        select * into strict v_change from {{ private }}.batch_changes(p_source, p_batch, p_keep_vanished);
    end if;
    perform {{ private }}.check_loss(v_source, to_jsonb(v_change), p_force);

    if v_change.changes > 0 then
        perform {{ private }}.lock_streams(v_change.removed || v_change.deactivated || v_change.activated || v_change.updated);
        perform {{ private }}.withdraw_changed(p_source, v_change.removed || v_change.deactivated, v_change.misfits);
        perform {{ private }}.keep_addresses(v_change.removed);
        delete from {{ private }}.stream as s where s.stream_id = any(v_change.removed);
        perform {{ private }}.write_batch(p_source, p_batch, v_change.updated || v_change.activated || v_change.deactivated);
        v_reconnected := {{ private }}.reconnect_owners(p_source, v_change.rehosted);
        if v_change.inserted + v_change.refitted + v_change.lost_active + cardinality(v_change.activated) > 0 then
            perform {{ private }}.request_settle('source changed', p_source);
        end if;
    end if;

    return query select r.*, false, v_change.skipped_rows
    from jsonb_to_record(
        {{ private }}.record_sync(p_source, p_batch, v_read_at, to_jsonb(v_change), v_reconnected)
    ) as r (
        inserted integer, updated integer, activated integer, deactivated integer, removed integer, unchanged integer,
        skipped integer, reconnected integer
    );
end
$function$;

comment on function {{ api }}.sync_streams(text, uuid, boolean, timestamptz, boolean, uuid) is
'Make the streams of a source equal to a staged batch, in one merge: new rows become waiting streams, changed ones are updated, inactive ones taken from their owners, vanished ones removed. A new address gets a new epoch. Rows that cannot be stations (station_problems says why) are skipped and leave their streams as they are.
p_source: the source.
p_batch: the batch, copied into stream_staging before; its rows are deleted when the merge succeeds.
p_force: true goes through although more than max_removed_part of the streams would be lost (OR406); an empty batch is refused even so.
p_read_at: when the source was read, by the clock of this database. A batch older than the last one merged is left out. Null: now.
p_keep_vanished: true keeps streams that the batch does not have, as for lists that add up.
p_event_id: the event id of the job run that this is a part of.
inserted: streams that are new.
updated: streams that were changed.
activated: streams that were switched on.
deactivated: streams that were switched off.
removed: streams that were removed.
unchanged: streams that stayed as they were.
skipped: rows that could not be used.
reconnected: streams whose address changed and whose owner connects again.
superseded: true when a newer reading was merged before.
skipped_rows: the first rows that could not be used, and why.
Raises: OR101, OR107, OR109, OR406, 55P03.
Example: select inserted, updated, removed, unchanged from {{ api }}.sync_streams(''night'', ''6f1c8a52-3c7e-4c44-9d0e-0a8f5b1c2d3e'');';
revoke all on function {{ api }}.sync_streams(text, uuid, boolean, timestamptz, boolean, uuid) from public;
grant execute on function {{ api }}.sync_streams(text, uuid, boolean, timestamptz, boolean, uuid) to {{ admin }};
