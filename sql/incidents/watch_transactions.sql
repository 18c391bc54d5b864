-- Job: end what runs longer than transaction_timeout (R2.2): this system's own sessions, known by their application_name and,
-- under any application_name, by the decision lock or the locks on its tables that they hold; with watched_transactions = all
-- every client's in this database.
-- What keeps decisions waiting is ended sooner (hold_ups.sql).
-- Servers from 17 on do it themselves where the connection asks for it; this is for the others, and for clients that do not ask.
-- Locks     hold_up (by login and lock), incident_pattern (by pattern)
-- Writes    hold_up, incident_pattern, and its record

create or replace function {{ private }}.long_transactions()
    returns table (pid integer, login text, application_name text, state text, age interval, may_end boolean, blocking jsonb)
    language sql volatile
as $function$
    select
        a.pid, a.usename::text, a.application_name, a.state, {{ private }}.now() - {{ private }}.on_this_clock(a.xact_start),
        {{ private }}.may_end(r.oid),
        coalesce((
            select jsonb_agg(
                jsonb_build_object('pid', b.pid, 'login', b.usename, 'application_name', b.application_name) order by b.pid
            )
            from {{ private }}.waiting_sessions() as w
            join pg_stat_activity as b on b.pid = w.pid
            where a.pid = any(w.waits_for)
        ), '[]')
    from pg_stat_activity as a
    join pg_roles as r on r.oid = a.usesysid
    where a.datname = current_database()
        and a.backend_type = 'client backend'
        and (
            a.application_name like 'orchestrator:%'
            or a.application_name like 'worker_shim %'
            or {{ private }}.setting_text('watched_transactions') = 'all'
            -- who may be the owner and has another name is at maintenance
            or (a.pid in (select l.pid from {{ private }}.fleet_lock as l where l.holds_up_others) and not pg_has_role(a.usesysid, '{{ owner }}', 'member'))
        )
        and not {{ private }}.is_migrating(a.application_name, a.usesysid)
        and a.pid <> pg_backend_pid()
        and {{ private }}.on_this_clock(a.xact_start) < {{ private }}.now() - {{ private }}.setting_interval('transaction_timeout')
    order by a.xact_start
$function$;
comment on function {{ private }}.long_transactions() is 'Transactions that have run for too long, and whom each of them keeps waiting.';

create or replace function {{ private }}.note_ended(p_ended jsonb)
    returns void
    language sql volatile
as $function$
    select {{ private }}.note_patterns('job:watch_transactions', jsonb_agg(jsonb_build_object(
        'function', 'watch_transactions',
        'message', case
            when e.value ? 'age' then format('%s: transaction of %s, %s for too long', e.value ->> 'ended', e.value ->> 'application_name', e.value ->> 'state')
            when e.value ? 'kept' then format('%s: transaction of %s that kept decisions waiting by %s', e.value ->> 'ended', e.value ->> 'application_name', e.value ->> 'lock')
            else format('%s: a lock that is not its own, %s, held by %s', e.value ->> 'ended', e.value ->> 'lock', e.value ->> 'application_name')
        end,
        'detail', e.value::text
    )))
    from jsonb_array_elements(p_ended) as e
    having count(*) > 0
$function$;
comment on function {{ private }}.note_ended(jsonb) is 'Count what was ended, or was to be, by its pattern.';

create or replace function {{ private }}.watch_transactions()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_long record;
    v_ended jsonb := {{ private }}.end_hold_ups_now();
begin
    for v_long in
        select l.* from {{ private }}.long_transactions() as l
        where not v_ended @> jsonb_build_array(jsonb_build_object('pid', l.pid))
    loop
        v_ended := v_ended || jsonb_build_object(
            'pid', v_long.pid, 'login', v_long.login, 'application_name', v_long.application_name, 'state', v_long.state,
            'age', v_long.age, 'blocking', v_long.blocking,
            'ended', case
                when not v_long.may_end then 'not permitted'
                -- an idle transaction has no statement to cancel
                when v_long.state = 'active' and pg_cancel_backend(v_long.pid) then 'cancelled'
                when v_long.state <> 'active' and pg_terminate_backend(v_long.pid) then 'terminated'
                else 'gone'
            end
        );
    end loop;
    if v_ended = '[]' then
        return null;
    end if;
    perform {{ private }}.note_ended(v_ended);
    return jsonb_build_object('transactions', v_ended);
end
$function$;
comment on function {{ private }}.watch_transactions() is 'Job watch_transactions: ends transactions that run too long, and says whom they blocked; those that keep decisions waiting; and sessions that hold locks which are not theirs.';
