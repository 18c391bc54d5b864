-- Parts of the administrators' functions. Every caller that changes assignments holds the decision lock.

create or replace function {{ private }}.movable_assignment(p_stream_id bigint, p_instance_id text)
    returns {{ private }}.assignment
    language plpgsql volatile
as $function$
declare
    v_assignment {{ private }}.assignment;
    v_why text;
begin
    perform {{ private }}.known_instance(p_instance_id);
    select * into v_assignment from {{ private }}.assignment as a where a.stream_id = p_stream_id for update;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    select case
        when v_assignment.state = 'idle' then 'the stream is not active'
        when v_assignment.waiting_since > {{ private }}.now() then 'the instance that the stream was taken from may still be running it'
        when exists (
            select from {{ private }}.instance as o
            where o.instance_id = v_assignment.instance_id and o.keeps_streams and o.is_living and o.instance_id <> p_instance_id
        ) then 'its owner stops no stream: stop its process, and recreate its container if it is an HTTP client'
        when i.placement = 'pull' then 'the instance is given streams at its own ask only'
        when p.instance_id is null then 'the instance gets no streams now: it is '
            || case when i.suspended_until is not null then 'suspended' when i.standing_order = 'drain' then 'draining'
                when i.probation_until is not null and i.is_placeable then 'on probation'
                else i.status end
        when not p.capabilities @> r.capabilities then 'the instance lacks a capability that the stream requires'
        when p.planned >= p.ceiling and p_instance_id <> all(array_remove(array[v_assignment.instance_id, v_assignment.next_instance_id], null))
            then 'the instance is full'
    end
    into v_why
    from {{ private }}.instance as i
    left join {{ private }}.placeable_instances() as p on p.instance_id = i.instance_id
    cross join {{ private }}.requirement as r
    where i.instance_id = p_instance_id and r.requirement_id = v_assignment.requirement_id;
    if v_why is not null then
        raise exception using
            errcode = 'OR405',
            message = 'the instance cannot take the stream',
            detail = jsonb_build_object('stream_id', p_stream_id, 'instance_id', p_instance_id, 'why', v_why)::text,
            hint = 'select instance_id, status, assigned_streams, max_streams, capabilities from {{ api }}.instances shows who can';
    end if;
    return v_assignment;
end
$function$;
comment on function {{ private }}.movable_assignment(bigint, text) is 'The assignment of a stream that this instance could take; else OR102, OR103 or OR405.';

create or replace function {{ private }}.send_to(
    p_decision_id bigint, p_assignment {{ private }}.assignment, p_instance_id text, p_reason text
)
    returns integer
    language plpgsql volatile
as $function$
begin
    if (p_assignment).instance_id = p_instance_id then
        -- a hand-over to another one is called off
        perform {{ private }}.call_off(array[(p_assignment).stream_id]);
        perform {{ private }}.notify_instance(p_instance_id, p_decision_id);
        return 0;
    elsif (p_assignment).instance_id is null then
        return {{ private }}.give_streams(
            p_decision_id, array[(p_assignment).stream_id], array[null::text], array[p_instance_id], p_reason
        );
    end if;
    if {{ private }}.is_alone((p_assignment).instance_id) then
        perform {{ private }}.give_streams(
            p_decision_id, array[(p_assignment).stream_id], array[(p_assignment).instance_id], array[p_instance_id], p_reason
        );
        perform {{ private }}.tell_former_owners(p_decision_id);
        return 1;
    end if;
    return {{ private }}.hand_over(p_decision_id, array[(p_assignment).stream_id], array[p_instance_id]);
end
$function$;
comment on function {{ private }}.send_to(bigint, {{ private }}.assignment, text, text) is 'Send one stream to one instance: by hand-over from a living owner, at once when it waits or its owner is lost.';
