-- A client gives streams back, or says how work on one ended. All of its list is its goodbye.
-- Every caller holds the decision lock.
-- Locks     instance; assignment rows (by id); at last pull_client
-- Writes    assignment, refusal, decision, movement, pull_client, pull_memory
-- Notifies  the new owners

create or replace function {{ private }}.give_back(
    p_client {{ private }}.pull_client, p_stream_ids bigint[], p_entries bigint, p_reason text, p_is_final boolean
)
    returns bigint[]
    language plpgsql volatile
as $function$
declare
    v_id text := (p_client).instance_id;
    v_held bigint[];
    v_left bigint;
    v_decision_id bigint;
    v_requirement_id integer;
    v_part bigint[];
    v_leaves boolean;
begin
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.instance_id = v_id and a.stream_id = any(p_stream_ids)
        order by a.stream_id
    );
    select count(*) - cardinality(v_held) into v_left from {{ private }}.assignment as a where a.instance_id = v_id;
    v_leaves := p_is_final and v_left = 0;
    if cardinality(v_held) > 0 then
        if not v_leaves then
            perform {{ private }}.remember_refusals(v_id, v_held, p_reason, 1, false);
        end if;
        v_decision_id := {{ private }}.open_decision('released', 'pull', p_reason, jsonb_build_object('instance_id', v_id));
        -- to workers with room at once; the rest waits for those that ask
        for v_requirement_id in
            select distinct a.requirement_id from {{ private }}.assignment as a where a.stream_id = any(v_held)
        loop
            v_part := array(
                select a.stream_id from {{ private }}.assignment as a
                where a.stream_id = any(v_held) and a.requirement_id = v_requirement_id
                order by a.stream_id
            );
            perform {{ private }}.distribute(
                v_decision_id, v_requirement_id, v_part, array_fill(v_id, array[cardinality(v_part)]), false, false, p_reason
            );
        end loop;
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    delete from {{ private }}.pull_memory as m where m.instance_id = v_id and m.stream_id = any(p_stream_ids);
    update {{ private }}.pull_client as c
    set
        list_length = case when v_leaves then 0 else greatest(c.list_length - p_entries, 0) end,
        has_left = c.has_left or v_leaves
    where c.instance_id = v_id;
    return v_held;
end
$function$;
comment on function {{ private }}.give_back({{ private }}.pull_client, bigint[], bigint, text, boolean) is 'These streams are not this client''s any more, and neither are so many entries of its list. Final: when nothing is left, it has said goodbye.';

create or replace function {{ private }}.end_work(p_client {{ private }}.pull_client, p_stream_ids bigint[], p_how text)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.give_back(p_client, p_stream_ids, 1, p_how, false);
    if p_how = 'completed' then
        -- the client itself may have it again: it asks within seconds
        delete from {{ private }}.refusal as f where f.instance_id = (p_client).instance_id and f.stream_id = any(p_stream_ids);
    end if;
    -- a client that ends its streams one by one starts what any answer names
    update {{ private }}.pull_client as c
    set kind = 'plain'
    where c.instance_id = (p_client).instance_id and c.kind is distinct from 'plain' and not c.kind_is_set;
end
$function$;
comment on function {{ private }}.end_work({{ private }}.pull_client, bigint[], text) is 'The client has ended its work on a stream: completed, failed or cancelled.';
