-- Why a stream is where it is, or why no instance has it: what is now, then each change of hands with its decision, latest first;
-- of those at most two hundred, the view movements has them all.
-- now:   detail has waits_because and, for each candidate, what excludes it; or the candidates that could have it as well
-- moves: detail has loads and thresholds of that moment, and the alternatives among those loads
-- Reads     assignment, movement, decision, instance, instance_load, requirement, refusal
-- Raises    OR102 unknown stream
create or replace function {{ api }}.explain_stream(p_stream_id bigint)
    returns table (
        at timestamptz, what text, from_instance_id text, to_instance_id text, epoch bigint, rule text, trigger text, actor text,
        reason text, decision_id bigint, detail jsonb, event_id uuid
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    if not exists (select from {{ private }}.assignment as a where a.stream_id = p_stream_id)
        and not exists (select from {{ private }}.movement as m where m.stream_id = p_stream_id)
    then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    -- what a lost instance keeps waits, as the view of streams has it
    return query
    select
        coalesce(a.releasing_since, a.assigned_at, a.waiting_since),
        'now ' || coalesce((select 'waiting' from {{ private }}.instance as i where i.instance_id = a.instance_id and i.status = 'inactive'), a.state),
        a.instance_id, a.next_instance_id, a.epoch,
        d.rule, d.trigger, d.actor, d.reason, a.decision_id, coalesce(d.detail, '{}') || {{ private }}.explain_now(a), d.event_id
    from {{ private }}.assignment as a
    left join {{ private }}.decision as d on d.decision_id = a.decision_id
    where a.stream_id = p_stream_id;
    return query
    select
        m.moved_at, m.reason, m.from_instance_id, m.to_instance_id, m.epoch, d.rule, d.trigger, d.actor, d.reason, m.decision_id,
        {{ private }}.other_loads(d.detail, m.from_instance_id, m.to_instance_id), d.event_id
    from {{ private }}.movement as m
    join {{ private }}.decision as d on d.decision_id = m.decision_id
    where m.stream_id = p_stream_id
    order by m.epoch desc
    limit 200;
end
$function$;
comment on function {{ api }}.explain_stream(bigint) is
'Say which instance has a stream and why, or why it waits and what excludes each candidate; then each change of hands before, the latest first, at most two hundred.
p_stream_id: the stream.
at: since when it is so, or when it changed hands.
what: now and its state, or the reason of the move.
from_instance_id: the instance that has it; of a move, the one that had it.
to_instance_id: the instance that gets it.
epoch: the epoch of the ownership.
rule: the rule of the decision.
trigger: what set the decision off.
actor: the login or job that caused it.
reason: why, as the decision records it.
decision_id: the decision, in the view decisions.
detail: candidates and what excludes them; of a move the loads and thresholds of that moment and the alternatives.
event_id: the id of the event, for explain_event.
Raises: OR102.
Example: select at, what, from_instance_id, to_instance_id, epoch, rule, reason from {{ api }}.explain_stream(1);';
revoke all on function {{ api }}.explain_stream(bigint) from public;
grant execute on function {{ api }}.explain_stream(bigint) to {{ reader }}, {{ admin }};
