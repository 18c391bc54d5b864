-- The full set as the worker sees it, for when a beat could not bring it in step (R3): what it runs is confirmed, what it was
-- asked to stop and does not run is handed over, and the answer says exactly what to start and to stop. A stream that somebody
-- else owns is taken from it (R3.3); what differs without a reason is recorded.
-- Locks     decision; assignment rows (by id); its heartbeat row
-- Writes    assignment, withdrawal, movement, decision, repair, heartbeat
-- Notifies  the next owners; the owners of streams whose epoch was behind
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.report_streams(
    p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]
)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_difference jsonb;
begin
    perform {{ private }}.check_reported_streams(p_streams, p_epochs);
    perform {{ private }}.lock_decisions();
    perform {{ private }}.speak_for(p_instance_id, p_incarnation);

    v_difference := {{ private }}.unexplained_difference(p_instance_id, p_streams, p_epochs);
    perform {{ private }}.lift_epochs(p_instance_id, p_streams, p_epochs);
    perform {{ private }}.confirm_starts(p_instance_id, p_streams, p_epochs);
    perform {{ private }}.confirm_stops(
        p_instance_id,
        array(
            (
                select a.stream_id from {{ private }}.assignment as a where a.instance_id = p_instance_id
                union
                select w.stream_id from {{ private }}.withdrawal as w where w.instance_id = p_instance_id
            )
            except
            select u.stream_id from unnest(p_streams) as u(stream_id)
        )
    );
    if v_difference is not null then
        perform {{ private }}.record_repair(p_instance_id, p_incarnation, 'report_streams', 'full set', v_difference);
    else
        perform {{ private }}.close_repairs(p_instance_id);
    end if;

    return query
    select 'remove', u.stream_id, u.epoch, null::text, null::text, null::jsonb
    from unnest(p_streams, p_epochs) as u(stream_id, epoch)
    where not exists (
        select from {{ private }}.assignment as a
        where a.stream_id = u.stream_id and a.instance_id = p_instance_id and (a.state <> 'releasing' or a.make_before_break)
    );
    return query
    select 'add', s.stream_id, m.epoch, s.name, s.url, s.metadata
    from (
        select a.stream_id, a.epoch
        from {{ private }}.assignment as a
        where a.instance_id = p_instance_id and (a.state <> 'releasing' or a.make_before_break)
        except
        select u.stream_id, u.epoch from unnest(p_streams, p_epochs) as u(stream_id, epoch)
    ) as m
    join {{ private }}.stream as s on s.stream_id = m.stream_id
    order by s.stream_id;
end
$function$;
comment on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) is
'Reconcile with the full set of what the instance runs. What it runs is confirmed, what it was asked to stop and does not run is handed over, and the answer brings it in step. What differed without a reason is in the view repairs.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_streams: ids of all streams that it runs, at most 10000.
p_epochs: the epoch of each of them, in the same order.
action: add, remove or prepare, as in the answer of heartbeat.
stream_id: the stream.
epoch: the epoch under which to start or stop it.
name: the name of the station; null for remove.
url: its address; null for remove.
metadata: what the source knows about it; null for remove.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select action, stream_id, epoch from {{ api }}.report_streams(''fingerv7-001'', 1, ''{1, 2}'', ''{1, 1}'');';
revoke all on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) from public;
grant execute on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) to {{ worker }}, {{ admin }};
