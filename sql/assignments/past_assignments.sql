-- What every assignment was before it changed, for those who ask later (diagnosis/assignments_at.sql). The triggers see each change, whichever step
-- makes it. Where the clock is set back, what was recorded before is moved to before what it says now, so that the recorded
-- moments of a stream stand in the order of its changes, and a moment that the clock says twice means the second time.
-- Locks     the past_assignment and past_instance rows that lie ahead of a clock that went back
-- Writes    past_assignment, past_instance

create or replace function {{ private }}.keep_past_assignments()
    returns trigger
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
declare
    v_now timestamptz := {{ private }}.now();
begin
    insert into {{ private }}.past_assignment (stream_id, until, instance_id, epoch, state)
    select o.stream_id, v_now, o.instance_id, o.epoch, o.state
    from old_rows as o
    -- a full join has no nested loop: a plan that was made for one row stays good for thousands
    full join new_rows as n on n.stream_id = o.stream_id
    where (o.instance_id is not null or n.instance_id is not null)
        and (o.instance_id is distinct from n.instance_id or o.epoch is distinct from n.epoch or o.state is distinct from n.state);
    return null;
end
$function$;
comment on function {{ private }}.keep_past_assignments() is 'Records what the changed assignments were, if they had an owner or get one.';

create or replace trigger keep_past_assignments
    after update on {{ private }}.assignment
    referencing old table as old_rows new table as new_rows
    for each statement execute function {{ private }}.keep_past_assignments();

create or replace function {{ private }}.keep_past_instance()
    returns trigger
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.past_instance (instance_id, until, was_lost)
    values (old.instance_id, {{ private }}.now(), old.status = 'inactive');
    return null;
end
$function$;
comment on function {{ private }}.keep_past_instance() is 'Records whether an instance was lost until now.';

create or replace trigger keep_past_instance
    after update of status on {{ private }}.instance
    for each row when ((old.status = 'inactive') <> (new.status = 'inactive'))
    execute function {{ private }}.keep_past_instance();

create or replace function {{ private }}.keep_past_in_order()
    returns trigger
    language plpgsql volatile
as $function$
begin
    update {{ private }}.past_assignment as p
    set until = least(new.clock_said, (
        select min(l.until)
        from {{ private }}.past_assignment as l
        where l.stream_id = p.stream_id and l.past_assignment_id > p.past_assignment_id
    ))
    where p.until > new.clock_said;
    update {{ private }}.past_instance as p
    set until = least(new.clock_said, (
        select min(l.until)
        from {{ private }}.past_instance as l
        where l.instance_id = p.instance_id and l.past_instance_id > p.past_instance_id
    ))
    where p.until > new.clock_said;
    return null;
end
$function$;
comment on function {{ private }}.keep_past_in_order() is 'The clock went back: what was recorded before was before the moment that it says now.';

create or replace trigger keep_past_in_order
    after insert on {{ private }}.clock_step
    for each row when (new.step < interval '0')
    execute function {{ private }}.keep_past_in_order();
