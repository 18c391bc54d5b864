-- What the length of a client's own list confirms.
-- Locks     decision (shared when it confirms starts only); assignment rows (by id)
-- Writes    assignment, pull_memory; movement, decision when a hand-over ends
-- Notifies  the next owners of what is confirmed as stopped

create or replace function {{ private }}.confirm_received(p_client {{ private }}.pull_client)
    returns void
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_epochs bigint[];
begin
    select array_agg(a.stream_id), array_agg(a.epoch) into v_stream_ids, v_epochs
    from {{ private }}.assignment as a where a.instance_id = (p_client).instance_id and a.state = 'assigned';
    if v_stream_ids is not null then
        perform {{ private }}.lock_decisions_shared();
        perform {{ private }}.confirm_starts((p_client).instance_id, v_stream_ids, v_epochs);
    end if;
end
$function$;
comment on function {{ private }}.confirm_received({{ private }}.pull_client) is 'The client''s list has what it was given: it runs.';

create or replace function {{ private }}.confirm_stopped(p_client {{ private }}.pull_client, p_load bigint)
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_id text := (p_client).instance_id;
    v_own bigint[];
begin
    if (p_client).kind is distinct from 'comparing' then
        return false;
    end if;
    v_own := {{ private }}.own_streams(v_id);
    if p_load <> cardinality(v_own) or not exists (
        select from {{ private }}.pull_memory as m where m.instance_id = v_id and m.stream_id <> all(v_own)
    ) then
        return false;
    end if;
    perform {{ private }}.lock_decisions();
    perform {{ private }}.confirm_stops(v_id, array(
        select a.stream_id from {{ private }}.assignment as a where a.instance_id = v_id and a.state = 'releasing' order by a.stream_id
    ));
    delete from {{ private }}.pull_memory as m where m.instance_id = v_id and m.stream_id <> all(v_own);
    return true;
end
$function$;
comment on function {{ private }}.confirm_stopped({{ private }}.pull_client, bigint) is 'A client that compares its list with the books has as many streams as these leave it: whatever else it had it has stopped. Whether that is news.';
