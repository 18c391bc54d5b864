-- Every change of an assignment's state, owner, next owner or epoch is a step that assignment_transition has; a direct update, too.
-- What changed gives the step its name. A change of hands raises the epoch, or an old owner would pass the fence.
-- The check runs once per statement. A full join has no nested loop: a plan that was made for one row stays good for thousands.
-- Reads     assignment_transition
-- Raises    OR901 the step is not in the table

create or replace function {{ private }}.assignment_event(
    p_from_state text, p_to_state text, p_from_id text, p_to_id text, p_old_next_id text, p_next_id text, p_epochs bigint,
    p_old_make_before_break boolean, p_make_before_break boolean
)
    returns text
    language sql immutable
as $function$
    select case
        when p_from_id is distinct from p_to_id then
            case
                when p_epochs is null or p_epochs < 1 then null
                when p_to_state = 'idle' then 'withdraw'
                when p_to_state = 'waiting' then 'unassign'
                when p_from_id is null then 'place'
                when p_to_id = p_old_next_id then 'complete'
                else 'reassign'
            end
        when p_epochs <> 0 then
            case
                when p_epochs < 0 or p_old_next_id is distinct from p_next_id then null
                when p_from_state = 'running' and p_to_state = 'running' then 'adopt'
                else 'renew'
            end
        when p_from_state <> p_to_state then
            case p_to_state
                when 'idle' then 'withdraw'
                when 'waiting' then 'activate'
                when 'assigned' then 'restart'
                when 'running' then case p_from_state when 'assigned' then 'start' else 'call off' end
                when 'releasing' then 'hand over'
            end
        when p_old_next_id is distinct from p_next_id then 'redirect'
        when p_old_make_before_break and not p_make_before_break then 'fall back'
    end
$function$;
comment on function {{ private }}.assignment_event(text, text, text, text, text, text, bigint, boolean, boolean) is 'The name of an assignment''s step by what changed: its states, owners, next owners, the growth of its epoch, how its hand-over goes. Null: no such step.';

create or replace function {{ private }}.check_assignment_transition()
    returns trigger
    language plpgsql volatile
as $function$
declare
    v_refused record;
begin
    -- an insert has no old rows, and a statement that names a missing table is an error
    if tg_op = 'INSERT' then
        select s.from_state, s.to_state, s.event, s.stream_id
        into v_refused
        from (
            select 'unknown' as from_state, n.state as to_state, 'add' as event, min(n.stream_id) as stream_id
            from new_rows as n
            group by n.state
        ) as s
        where not exists (
            select from {{ private }}.assignment_transition as t
            where t.from_state = s.from_state and t.to_state = s.to_state and t.event = s.event
        );
    else
        select s.from_state, s.to_state, s.event, s.stream_id
        into v_refused
        from (
            select o.state as from_state, n.state as to_state, e.event, min(o.stream_id) as stream_id
            from old_rows as o
            full join new_rows as n on n.stream_id = o.stream_id
            cross join lateral (
                select {{ private }}.assignment_event(
                    o.state, n.state, o.instance_id, n.instance_id, o.next_instance_id, n.next_instance_id, n.epoch - o.epoch,
                    o.make_before_break, n.make_before_break
                ) as event
            ) as e
            where o.state is distinct from n.state
                or o.instance_id is distinct from n.instance_id
                or o.next_instance_id is distinct from n.next_instance_id
                or o.epoch is distinct from n.epoch
                or (o.make_before_break is distinct from n.make_before_break and o.releasing_since is not null)
            group by o.state, n.state, e.event
        ) as s
        where not exists (
            select from {{ private }}.assignment_transition as t
            where t.from_state = s.from_state and t.to_state = s.to_state and t.event = s.event
        );
    end if;
    if found then
        raise exception using
            errcode = 'OR901',
            message = 'an assignment has no such step',
            detail = to_jsonb(v_refused)::text,
            hint = 'nothing was changed; select * from {{ api }}.state_machine where subject = ''assignment'' shows the steps that exist';
    end if;
    return null;
end
$function$;
comment on function {{ private }}.check_assignment_transition() is 'Refuses a step that the life of an assignment does not have.';

create or replace trigger check_inserted_assignments
    after insert on {{ private }}.assignment
    referencing new table as new_rows
    for each statement execute function {{ private }}.check_assignment_transition();

create or replace trigger check_updated_assignments
    after update on {{ private }}.assignment
    referencing old table as old_rows new table as new_rows
    for each statement execute function {{ private }}.check_assignment_transition();
