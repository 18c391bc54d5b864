-- Why a stream is where it is: each change of hands with its decision, latest first.
-- Reads     assignment, movement, decision
-- Raises    OR102 unknown stream
create or replace function {{ api }}.explain_stream(p_stream_id bigint)
    returns table (
        at timestamptz, what text, from_instance_id text, to_instance_id text, epoch bigint, rule text, trigger text, actor text,
        reason text, decision_id bigint, detail jsonb
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    if not exists (select from {{ private }}.assignment as a where a.stream_id = p_stream_id)
        and not exists (select from {{ private }}.movement as m where m.stream_id = p_stream_id)
    then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    return query
    select
        coalesce(a.releasing_since, a.assigned_at, a.waiting_since), 'now ' || a.state, a.instance_id, a.next_instance_id, a.epoch,
        d.rule, d.trigger, d.actor, d.reason, a.decision_id, d.detail
    from {{ private }}.assignment as a
    left join {{ private }}.decision as d on d.decision_id = a.decision_id
    where a.stream_id = p_stream_id;
    return query
    select m.moved_at, m.reason, m.from_instance_id, m.to_instance_id, m.epoch, d.rule, d.trigger, d.actor, d.reason, m.decision_id, d.detail
    from {{ private }}.movement as m
    join {{ private }}.decision as d on d.decision_id = m.decision_id
    where m.stream_id = p_stream_id
    order by m.epoch desc;
end
$function$;
comment on function {{ api }}.explain_stream(bigint) is 'Who has a stream and why, then every change of hands before, each with the rule, the loads and thresholds of that moment, and who caused it.';
revoke all on function {{ api }}.explain_stream(bigint) from public;
grant execute on function {{ api }}.explain_stream(bigint) to {{ reader }}, {{ admin }};
