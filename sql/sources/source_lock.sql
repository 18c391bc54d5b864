-- Lock what a merge is about to change, in the order that everyone keeps: the instances that have a hand in these
-- streams, then the streams, then their assignments, each by id.
create or replace function {{ private }}.source_lock(p_stream_ids bigint [])
    returns void
    language plpgsql volatile
as $function$
begin
    perform from {{ private }}.instance as i
    where i.instance_id in (
        select unnest(array[a.instance_id, a.next_instance_id])
        from {{ private }}.assignment as a
        where a.stream_id = any(p_stream_ids)
    )
    order by i.instance_id
    for no key update;

    perform from {{ private }}.stream as s
    where s.stream_id = any(p_stream_ids)
    order by s.stream_id
    for update;

    perform from {{ private }}.assignment as a
    where a.stream_id = any(p_stream_ids)
    order by a.stream_id
    for update;
end
$function$;
comment on function {{ private }}.source_lock(bigint []) is 'Locks instances, streams and assignments that a merge is about to change, in the common order.';
