-- Parts of acknowledge and report_streams. Every caller holds the decision lock, at least shared.

create or replace function {{ private }}.confirm_starts(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_confirmed integer;
begin
    with confirmed as (
        select a.stream_id, a.state
        from {{ private }}.assignment as a
        join (select distinct u.stream_id, u.epoch from unnest(p_stream_ids, p_epochs) as u(stream_id, epoch)) as u
            on u.stream_id = a.stream_id and u.epoch = a.epoch
        where a.instance_id = p_instance_id
        order by a.stream_id
        for no key update of a
    ),
    changed as (
        update {{ private }}.assignment as a
        set state = 'running'
        from confirmed as c
        where a.stream_id = c.stream_id and a.state = 'assigned'
    )
    select count(*) into v_confirmed from confirmed;
    return v_confirmed;
end
$function$;
comment on function {{ private }}.confirm_starts(text, bigint[], bigint[]) is 'These streams run under these epochs; returns how many are this instance''s.';

create or replace function {{ private }}.confirm_stops(p_instance_id text, p_stream_ids bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_withdrawn bigint[];
begin
    with confirmed as (
        delete from {{ private }}.withdrawal as w
        where w.instance_id = p_instance_id and w.stream_id = any(p_stream_ids)
        returning w.stream_id
    )
    select coalesce(array_agg(c.stream_id), '{}') into v_withdrawn from confirmed as c;
    if cardinality(v_withdrawn) > 0 then
        -- what waits for nothing but this word
        update {{ private }}.assignment as a
        set waiting_since = {{ private }}.free_at(a.stream_id)
        where a.stream_id = any(v_withdrawn) and a.waiting_since > {{ private }}.now();
        if found then
            perform {{ private }}.request_settle('room');
        end if;
    end if;
    return cardinality(v_withdrawn) + {{ private }}.complete_handovers(
        array(
            select a.stream_id
            from {{ private }}.assignment as a
            where a.stream_id = any(p_stream_ids) and a.instance_id = p_instance_id and a.state = 'releasing'
            order by a.stream_id
        ),
        'hand-over', true
    );
end
$function$;
comment on function {{ private }}.confirm_stops(text, bigint[]) is 'These streams are stopped: hand-overs are completed, withdrawals confirmed.';
