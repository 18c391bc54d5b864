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

create or replace function {{ private }}.remember_refusals(p_instance_id text, p_stream_ids bigint[], p_reason text, p_times_before_it_counts integer, p_for_failing boolean)
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
        insert into {{ private }}.refusal as f (stream_id, instance_id, reason, refused_at, until, times, for_failing)
        select
            c.stream_id, p_instance_id, {{ private }}.redact(p_reason), n.moment,
            n.moment + case
                when c.times < p_times_before_it_counts then interval '0'
                else least({{ private }}.setting_interval('refusal_time') * (2 ^ least(c.times - p_times_before_it_counts, 10)), interval '1 hour')
            end,
            c.times, p_for_failing
        from counted as c cross join (select {{ private }}.now() as moment) as n
        on conflict (stream_id, instance_id) do update
        set reason = excluded.reason, refused_at = excluded.refused_at, until = excluded.until, times = excluded.times,
            for_failing = f.for_failing or excluded.for_failing
        returning f.stream_id, f.until > f.refused_at as counts
    )
    select coalesce(array_agg(n.stream_id order by n.stream_id), '{}') from noted as n where n.counts
$function$;
comment on function {{ private }}.remember_refusals(text, bigint[], text, integer, boolean) is 'An instance does not want these streams for a while; returns those for which that counts now.';

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
            detail = jsonb_build_object('argument', 'p_failed', 'given', left(p_value::text, 200))::text,
            hint = 'stream_id and epoch are integers';
end
$function$;
comment on function {{ private }}.as_bigint(jsonb) is 'An id out of a report; OR101 when it is none.';
