-- Job: rebalance when load differs too much (R1.3, R1.4), at most once per rebalance_cooldown, never while paused or in
-- recovery mode, and not ahead of a settlement that is due anyway.
-- Also asks for a settlement when streams wait although there is room, a draining instance still holds some, or a pinned
-- one could go home: what was missed elsewhere is found here.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    assignment, decision, controller, settle_request
-- Notifies  each affected instance

create or replace function {{ private }}.check_balance()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint;
    v_decision {{ private }}.decision;
    v_imbalance record;
begin
    if exists (select from {{ private }}.settle_request) then
        return null; -- the settlement levels as well, once for everything that happens together
    elsif exists (select from {{ private }}.misplaced_pinned())
        -- room with an instance that is not able may help, too: it lets room be made
        or ({{ private }}.count_waiting(1) > 0 or exists (select from {{ private }}.evacuees()))
        and exists (
            select from {{ private }}.placeable_instances() as p where p.planned < p.ceiling
            union all
            select from {{ private }}.placeable_instances(true) as p where p.planned < p.ceiling
        )
    then
        perform {{ private }}.request_settle('room');
    end if;

    if not {{ private }}.is_imbalanced() or {{ private }}.balancing_is_frozen() or exists (
        select from {{ private }}.controller as c
        where c.last_balanced_at > {{ private }}.now() - {{ private }}.setting_interval('rebalance_cooldown')
    ) then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    if not {{ private }}.is_imbalanced() or {{ private }}.balancing_is_frozen() then
        return null; -- it was different, until another session decided
    end if;
    select i.* into v_imbalance from {{ private }}.imbalance() as i;
    v_decision_id := {{ private }}.open_decision(
        'imbalance', 'check_balance', null,
        jsonb_build_object(
            'load_difference', round(v_imbalance.load_difference::numeric, 3),
            'stream_difference', round(v_imbalance.stream_difference::numeric, 1)
        )
    );
    if {{ private }}.rebalance_fleet(v_decision_id) = 0 then
        delete from {{ private }}.decision as d where d.decision_id = v_decision_id;
        return null; -- as fair as it can be: pins, requirements or small capacities hold it
    end if;
    v_decision := {{ private }}.close_decision(v_decision_id);
    return jsonb_build_object('decision_id', v_decision_id, 'moves', v_decision.moves, 'least_moves', v_decision.least_moves);
end
$function$;
comment on function {{ private }}.check_balance() is 'Job check_balance: rebalance by itself when loads differ by more than the thresholds.';

create or replace function {{ private }}.is_imbalanced()
    returns boolean
    language sql stable
as $function$
    -- more than the threshold, and not more by a rounding error
    select
        round(i.load_difference::numeric, 6) > {{ private }}.setting_number('imbalance_threshold')
        or round(i.stream_difference::numeric, 6) > {{ private }}.setting_number('max_stream_difference')
    from {{ private }}.imbalance() as i
$function$;
comment on function {{ private }}.is_imbalanced() is 'Whether two loads differ by more than imbalance_threshold, or an instance is more than max_stream_difference from its share.';
