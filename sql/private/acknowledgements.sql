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
    -- what waits for nothing but this word
    update {{ private }}.assignment as a
    set waiting_since = {{ private }}.free_at(a.stream_id)
    where a.stream_id = any(v_withdrawn) and a.waiting_since > {{ private }}.now();
    if found then
        perform {{ private }}.request_settle('room');
    end if;
    return cardinality(v_withdrawn) + {{ private }}.complete_handovers(
        array(
            select a.stream_id
            from {{ private }}.assignment as a
            where a.stream_id = any(p_stream_ids) and a.instance_id = p_instance_id and a.releasing_since is not null
            order by a.stream_id
        ),
        'hand-over', true
    );
end
$function$;
comment on function {{ private }}.confirm_stops(text, bigint[]) is 'These streams are stopped: hand-overs are completed, withdrawals confirmed.';

create or replace function {{ private }}.remember_refusals(p_instance_id text, p_stream_ids bigint[], p_reason text, p_times_before_it_counts integer)
    returns bigint[]
    language sql volatile
as $function$
    -- after a quiet day it begins anew
    with counted as (
        select s.stream_id, case when f.refused_at >= {{ private }}.now() - interval '1 day' then f.times + 1 else 1 end as times
        from {{ private }}.stream as s
        left join {{ private }}.refusal as f on f.stream_id = s.stream_id and f.instance_id = p_instance_id
        where s.stream_id = any(p_stream_ids)
    ),
    -- a refusal counts from its n-th time on and then doubles each time, up to an hour
    noted as (
        insert into {{ private }}.refusal as f (stream_id, instance_id, reason, refused_at, until, times)
        select
            c.stream_id, p_instance_id, p_reason, n.moment,
            n.moment + case
                when c.times < p_times_before_it_counts then interval '0'
                else least({{ private }}.setting_interval('refusal_time') * (2 ^ least(c.times - p_times_before_it_counts, 10)), interval '1 hour')
            end,
            c.times
        from counted as c cross join (select {{ private }}.now() as moment) as n
        on conflict (stream_id, instance_id) do update
        set reason = excluded.reason, refused_at = excluded.refused_at, until = excluded.until, times = excluded.times
        returning f.stream_id, f.until > f.refused_at as counts
    )
    select coalesce(array_agg(n.stream_id order by n.stream_id), '{}') from noted as n where n.counts
$function$;
comment on function {{ private }}.remember_refusals(text, bigint[], text, integer) is 'An instance does not want these streams for a while; returns those for which that counts now.';

create or replace function {{ private }}.note_failures(p_instance_id text, p_failed jsonb)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held record;
    v_decision_id bigint;
    v_noted integer := 0;
begin
    for v_held in
        select a.stream_id, a.instance_id, max(f.value ->> 'error') as error
        from jsonb_array_elements(p_failed) as f
        join {{ private }}.assignment as a on a.stream_id = {{ private }}.as_bigint(f.value -> 'stream_id')
        where a.instance_id = p_instance_id
            and a.releasing_since is null
            and a.epoch = coalesce({{ private }}.as_bigint(f.value -> 'epoch'), a.epoch)
        group by a.stream_id, a.instance_id
        order by a.stream_id
    loop
        v_noted := v_noted + 1;
        continue when cardinality({{ private }}.remember_refusals(
            p_instance_id, array[v_held.stream_id], coalesce(v_held.error, 'failed'),
            {{ private }}.setting_number('failures_before_move')::integer
        )) = 0;
        -- a station that nobody else can take stays where it is
        continue when {{ private }}.best_instance(v_held.stream_id) is null;
        v_decision_id := coalesce(
            v_decision_id,
            {{ private }}.open_decision('failing stream', 'acknowledge', v_held.error, jsonb_build_object('instance_id', p_instance_id))
        );
        perform {{ private }}.move_one(v_decision_id, v_held.stream_id, p_instance_id, true, 'failed');
    end loop;
    if v_decision_id is not null then
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    return v_noted;
end
$function$;
comment on function {{ private }}.note_failures(text, jsonb) is 'Count failure reports; a stream that failed too often here is handed over to an instance that has not refused it.';

create or replace function {{ private }}.as_bigint(p_value jsonb)
    returns bigint
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_argument(
        'p_failed', p_value is null or jsonb_typeof(p_value) in ('number', 'null'), p_value, 'stream_id and epoch are integers'
    );
    return (p_value #>> '{}')::bigint;
exception
    when data_exception then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', 'p_failed', 'given', p_value)::text,
            hint = 'stream_id and epoch are integers';
end
$function$;
comment on function {{ private }}.as_bigint(jsonb) is 'An id out of a report; OR101 when it is none.';
