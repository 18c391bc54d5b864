-- What moved in a time, and why: a row for each decision that was made in it or whose streams changed hands in it.
-- Reads     decision, movement, assignment, history_bound
-- Raises    OR101 a time that begins before the history or is still to come, or that ends before it begins
create or replace function {{ api }}.decisions_between(
    p_from timestamptz, p_to timestamptz default null, p_stream_id bigint default null, p_instance_id text default null
)
    returns table (
        decision_id bigint, decided_at timestamptz, rule text, what text, why text, streams integer, changes jsonb, trigger text, actor text,
        reason text, event_id uuid
    )
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    if p_to is not null then
        perform {{ private }}.require_moment('p_to', p_to);
    end if;
    perform {{ private }}.require_history('p_from', p_from);
    perform {{ private }}.require_argument('p_to', p_to is null or p_to >= p_from, to_jsonb(p_to), 'not before p_from; null: until now');
    perform {{ private }}.require_exact_text('p_instance_id', p_instance_id);
    return query
    with moved as materialized (
        select m.* from {{ private }}.moves_between(p_from, coalesce(p_to, 'infinity'), p_stream_id, p_instance_id) as m
    ),
    concerned as (
        select m.decision_id from moved as m
        union
        select d.decision_id
        from {{ private }}.decision as d
        where d.decided_at >= p_from and d.decided_at < coalesce(p_to, 'infinity')
            and (p_stream_id is null or d.detail ->> 'stream_id' = p_stream_id::text)
            and (p_instance_id is null or d.detail ->> 'instance_id' = p_instance_id or d.detail -> 'instances' ? p_instance_id)
    )
    select
        d.decision_id, d.decided_at, d.rule, coalesce(m.what, 'nothing moved'),
        concat_ws('; ', d.rule, d.reason, 'by ' || d.trigger || ', ' || d.actor),
        coalesce(m.streams, 0), coalesce(m.changes, '[]'), d.trigger, d.actor, d.reason, d.event_id
    from concerned as c
    join {{ private }}.decision as d on d.decision_id = c.decision_id
    left join moved as m on m.decision_id = c.decision_id
    order by d.decision_id;
end
$function$;
comment on function {{ api }}.decisions_between(timestamptz, timestamptz, bigint, text) is
'What moved in a time, and why: a row for each decision that was made in it, or whose streams changed hands in it (a hand-over ends after the decision that began it). In the order in which they were made, whatever the clock said.
p_from: the beginning, within history_retention; an error says in its detail which moment is the oldest.
p_to: the end, which is no part of it; null: until now.
p_stream_id: only what concerns this stream.
p_instance_id: only what concerns this instance: streams that it gave or got, or decisions about it.
decision_id: the decision.
decided_at: when it was made.
rule: by which rule.
what: what moved in this time, in words; (asked): the owner has been asked and still has it.
why: the rule, the reason, what set it off and who, in words.
streams: how many streams moved in this time, of those that were asked for.
changes: what moved: for each pair of instances from_instance_id, to_instance_id, reason, streams and the first hundred stream_ids.
trigger: what set it off.
actor: who.
reason: the reason that was given, if any.
event_id: the id of the event, for explain_event.
Raises: OR101.
Example: select decided_at, what, why from {{ api }}.decisions_between((select max(decided_at) from {{ api }}.decisions));';
revoke all on function {{ api }}.decisions_between(timestamptz, timestamptz, bigint, text) from public;
grant execute on function {{ api }}.decisions_between(timestamptz, timestamptz, bigint, text) to {{ reader }}, {{ admin }};
