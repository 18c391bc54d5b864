-- What an instance gave back or failed at does not return to it for a while.
-- Reads     stream
-- Writes    refusal

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
