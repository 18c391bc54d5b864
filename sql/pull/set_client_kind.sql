-- An administrator says what a client that asks for its streams does with an answer.
-- Locks     decision; instance; at last pull_client
-- Writes    instance, pull_client, settle_request
-- Raises    OR101 bad argument · OR103 unknown instance · 55P03
create or replace function {{ api }}.set_client_kind(p_instance_id text, p_kind text)
    returns table (instance_id text, kind text, can_be_moved boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_dialect text;
begin
    perform {{ private }}.require_argument(
        'p_kind', p_kind in ('learned', 'plain', 'first_answer_only', 'comparing'), to_jsonb(p_kind),
        'learned, plain, first_answer_only or comparing'
    );
    perform {{ private }}.lock_decisions();
    perform {{ private }}.known_instance(p_instance_id);
    select c.dialect into v_dialect
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull'
    where c.instance_id = p_instance_id;
    perform {{ private }}.require_argument(
        'p_instance_id', v_dialect is not null, to_jsonb(p_instance_id), 'a client that asks for its streams over HTTP'
    );
    perform {{ private }}.require_argument(
        'p_kind', p_kind <> 'comparing' or v_dialect = 'server', to_jsonb(p_kind),
        'learned, plain or first_answer_only: clients of this dialect compare nothing'
    );
    update {{ private }}.instance as i
    set stops_streams = p_kind = 'comparing'
    where i.instance_id = p_instance_id and i.stops_streams <> (p_kind = 'comparing');
    if found then
        perform {{ private }}.request_settle('capacity', p_instance_id);
        perform {{ private }}.wake('settle');
    end if;
    update {{ private }}.pull_client as c
    set kind = nullif(p_kind, 'learned'), kind_is_set = p_kind <> 'learned'
    where c.instance_id = p_instance_id;
    return query
    select i.instance_id, coalesce(c.kind, 'learned'), not i.keeps_streams
    from {{ private }}.instance as i join {{ private }}.pull_client as c on c.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.set_client_kind(text, text) is
'Say what a client that asks for its streams over HTTP does with an answer. What nobody has said is learned from what it does. Streams of a comparing client can be moved while it lives; those of every other stay until it gives them back or ends.
p_instance_id: the instance.
p_kind: plain: starts what any answer names. first_answer_only: starts its first answer, and one stream of a later one at most. comparing: plain, and looks every half minute which streams are its own and stops the others; only the plain host of the server module does so, and the old host looks the same and does not. learned: forget what was said.
instance_id: the instance.
kind: what is taken for true now.
can_be_moved: whether its streams can be moved while it lives.
Raises: OR101, OR103, 55P03.
Example: select * from {{ api }}.set_client_kind(''server-1'', ''comparing'');';
revoke all on function {{ api }}.set_client_kind(text, text) from public;
grant execute on function {{ api }}.set_client_kind(text, text) to {{ admin }};
