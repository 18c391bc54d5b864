-- Job: end what runs longer than transaction_timeout (R2.2): this system's own sessions, known by their application_name and,
-- under any application_name, by the decision lock or the locks on its tables that they hold; with watched_transactions = all
-- every client's in this database.
-- The key of an advisory lock is no secret, and any login can take one. No program of ours holds the decision lock outside of a
-- transaction, or a session's lock for itself alone: a session that does is ended.
-- Servers from 17 on do it themselves where the connection asks for it; this is for the others, and for clients that do not ask.
-- The owner sees and ends other logins' sessions as a member of pg_read_all_stats and pg_signal_backend (db roles);
-- only a superuser's are out of its reach then. Without them it sees none but its own.
-- Locks     incident_pattern (by pattern)
-- Writes    incident_pattern, and its record

create or replace function {{ private }}.may_end(p_login oid)
    returns boolean
    language sql stable
begin atomic
    select not r.rolsuper and (pg_has_role('{{ owner }}', 'pg_signal_backend', 'member') or pg_has_role('{{ owner }}', r.oid, 'member'))
    from pg_roles as r
    where r.oid = p_login;
end;
comment on function {{ private }}.may_end(oid) is 'Whether the owner may end the sessions of this login.';

create or replace function {{ private }}.stray_locks()
    returns table (pid integer, login text, application_name text, state text, may_end boolean, lock text)
    language sql volatile
begin atomic
    select
        l.pid, a.usename::text, a.application_name, a.state, {{ private }}.may_end(r.oid),
        case when i.instance_id is null then 'decision' else 'session of ' || i.instance_id end
    from {{ private }}.fleet_lock as l
    join pg_stat_activity as a on l.pid = a.pid
    join pg_roles as r on a.usesysid = r.oid
    left join {{ private }}.instance as i on {{ private }}.session_lock_key(i.instance_id, i.incarnation) = l.key
    where l.granted
        and case
            -- outside of any transaction, or in the last moment of one
            when l.key = {{ private }}.lock_key('decision') then l.virtualtransaction like '%/0'
            else l.mode = 'ExclusiveLock' and i.instance_id is not null
        end;
end;
comment on function {{ private }}.stray_locks() is 'Who holds one of this system''s advisory locks as no program of this system does.';

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
        -- a migration may take its time, and holds no lock that it had to wait for; not every session that says so is one
        and not (a.application_name = 'orchestrator:migrate' and pg_has_role(a.usesysid, '{{ owner }}', 'member'))
        and a.pid <> pg_backend_pid()
        and {{ private }}.on_this_clock(a.xact_start) < {{ private }}.now() - {{ private }}.setting_interval('transaction_timeout')
    order by a.xact_start
$function$;
comment on function {{ private }}.long_transactions() is 'Transactions that have run for too long, and whom each of them keeps waiting.';

create or replace function {{ private }}.watch_transactions()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_long record;
    v_ended jsonb := jsonb '[]';
begin
    for v_long in
        -- looked at twice: a transaction that is about to end is not met in its last moment again
        select s.* from {{ private }}.stray_locks() as s
        join {{ private }}.stray_locks() as again on again.pid = s.pid and again.lock = s.lock
    loop
        v_ended := v_ended || jsonb_build_object(
            'pid', v_long.pid, 'login', v_long.login, 'application_name', v_long.application_name, 'state', v_long.state,
            'lock', v_long.lock,
            'ended', case
                when not v_long.may_end then 'not permitted'
                when pg_terminate_backend(v_long.pid) then 'terminated'
                else 'gone'
            end
        );
    end loop;
    for v_long in select l.* from {{ private }}.long_transactions() as l loop
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
    perform {{ private }}.note_patterns('job:watch_transactions', jsonb_agg(jsonb_build_object(
        'function', 'watch_transactions',
        'message', case
            when e.value ? 'lock' then format('%s: a lock that is not its own, %s, held by %s', e.value ->> 'ended', e.value ->> 'lock', e.value ->> 'application_name')
            else format('%s: transaction of %s, %s for too long', e.value ->> 'ended', e.value ->> 'application_name', e.value ->> 'state')
        end,
        'detail', e.value::text
    )))
    from jsonb_array_elements(v_ended) as e;
    return jsonb_build_object('transactions', v_ended);
end
$function$;
comment on function {{ private }}.watch_transactions() is 'Job watch_transactions: ends transactions that run too long, and says whom they blocked; and sessions that hold locks which are not theirs.';
