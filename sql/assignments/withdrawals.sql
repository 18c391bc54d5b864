-- What a former owner is told to stop.
-- Writes    withdrawal

create or replace function {{ private }}.tell_former_owners(p_decision_id bigint)
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.withdrawal (instance_id, stream_id, epoch, withdrawn_at)
    select m.from_instance_id, m.stream_id, m.from_epoch, m.moved_at
    from {{ private }}.movement as m
    where m.decision_id = p_decision_id and m.from_instance_id is not null
    on conflict (instance_id, stream_id) do update set epoch = excluded.epoch, withdrawn_at = excluded.withdrawn_at
$function$;
comment on function {{ private }}.tell_former_owners(bigint) is 'An owner that a decision took streams from without asking is told to stop them, should it return.';

create or replace function {{ private }}.keep_addresses(p_stream_ids bigint[])
    returns void
    language sql volatile
as $function$
    update {{ private }}.withdrawal as w
    set url = s.url
    from {{ private }}.stream as s
    where s.stream_id = any(p_stream_ids) and w.stream_id = s.stream_id
$function$;
comment on function {{ private }}.keep_addresses(bigint[]) is 'These streams are about to be removed: one that is added with the same address waits for their former owners all the same (free_at).';
