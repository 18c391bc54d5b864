-- What report_streams does, for a worker and for an instance that speaks HTTP alike.
-- Locks     decision; assignment rows (by id); its heartbeat row
-- Writes    assignment, withdrawal, movement, decision, repair, heartbeat
-- Notifies  the next owners; the owners of streams whose epoch was behind
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03

create or replace function {{ private }}.reconcile(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[])
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile
as $function$
declare
    v_difference jsonb;
begin
    perform {{ private }}.check_reported_streams(p_streams, p_epochs);
    perform {{ private }}.lock_decisions();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);

    v_difference := {{ private }}.unexplained_difference(p_instance_id, p_streams, p_epochs);
    perform {{ private }}.go_above(p_instance_id, p_streams, p_epochs, true, 'report_streams');
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
            -- a claim that was refused: it begins anew
            and u.epoch <= a.epoch
    );
    return query
    select {{ private }}.start_action(i, a), s.stream_id, a.epoch, s.name, s.url, s.metadata
    from (
        select a.stream_id, a.epoch
        from {{ private }}.assignment as a
        where a.instance_id = p_instance_id and (a.state <> 'releasing' or a.make_before_break)
        except
        select u.stream_id, u.epoch from unnest(p_streams, p_epochs) as u(stream_id, epoch)
    ) as m
    join {{ private }}.assignment as a on a.stream_id = m.stream_id
    join {{ private }}.instance as i on i.instance_id = a.instance_id
    join {{ private }}.stream as s on s.stream_id = m.stream_id
    order by s.stream_id;
end
$function$;
comment on function {{ private }}.reconcile(text, bigint, bigint[], bigint[]) is 'Bring the record and the full set of what an instance runs in step; what it has to start and to stop.';
