-- What is counted of a decision.
-- Reads     decision, movement
-- Writes    metric_count

create or replace function {{ private }}.count_decision(p_decision {{ private }}.decision)
    returns void
    language plpgsql volatile
as $function$
declare
    v_seconds double precision := extract(epoch from (p_decision).duration);
begin
    insert into {{ private }}.metric_count as c (metric, label, value, counts)
    values
        (
            'orchestrator_decision_duration_seconds', (p_decision).rule, v_seconds,
            {{ private }}.count_into(null, 'orchestrator_decision_duration_seconds', array[v_seconds])
        ),
        ('orchestrator_least_moves_total', (p_decision).rule, (p_decision).least_moves, null),
        ('orchestrator_moves_total', (p_decision).rule, (p_decision).moves, null)
    on conflict (metric, label) do update
    set value = c.value + excluded.value, counts = {{ private }}.sum_of_counts(c.counts, excluded.counts);
end
$function$;
comment on function {{ private }}.count_decision({{ private }}.decision) is 'A decision is made: how long it took, how many streams it moved, and how few could have done.';

create or replace function {{ private }}.count_failover(p_decision {{ private }}.decision)
    returns void
    language sql volatile
as $function$
    select {{ private }}.observe(
        'orchestrator_failover_duration_seconds', (p_decision).rule,
        array(
            select {{ private }}.seconds_between(greatest(h.beat_at, e.session_lost_at), m.moved_at)
            from {{ private }}.movement as m
            -- looked up, however many instances there are
            cross join lateral (
                select b.beat_at from {{ private }}.heartbeat as b where b.instance_id = m.from_instance_id offset 0
            ) as h
            left join jsonb_to_recordset((p_decision).detail -> 'evidence') as e(instance_id text, session_lost_at timestamptz)
                on e.instance_id = m.from_instance_id
            where m.decision_id = (p_decision).decision_id and m.to_instance_id is not null
        )
    )
$function$;
comment on function {{ private }}.count_failover({{ private }}.decision) is 'Streams of lost instances were given to others: how long after their last beat, or after their sessions were gone.';
