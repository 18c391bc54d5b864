-- Who keeps decisions waiting. No login can hold them up for long: a transaction that has kept another waiting to decide, to confirm or
-- to run a job for 5 s is ended, and its login is named for an hour by diagnose() and by an alert. R2.2's 30 s is for all others.
-- A session that has the key of decisions without their gate is a stranger: decisions go on without the key, and the session is ended.
-- The owner sees and ends other logins' sessions as a member of pg_read_all_stats and pg_signal_backend (db roles);
-- only a superuser's are out of its reach then. Without them it sees none but its own.
-- Reads     pg_locks, pg_stat_activity, instance
-- Locks     hold_up (by login and lock)
-- Writes    hold_up

create or replace function {{ private }}.may_end(p_login oid)
    returns boolean
    language sql stable
begin atomic
    select not r.rolsuper and (pg_has_role('{{ owner }}', 'pg_signal_backend', 'member') or pg_has_role('{{ owner }}', r.oid, 'member'))
    from pg_roles as r
    where r.oid = p_login;
end;
comment on function {{ private }}.may_end(oid) is 'Whether the owner may end the sessions of this login.';

create or replace function {{ private }}.is_migrating(p_application_name text, p_login oid)
    returns boolean
    language sql stable
begin atomic
    -- not every session that says so is one
    select coalesce(p_application_name = 'orchestrator:migrate' and pg_has_role(p_login, '{{ owner }}', 'member'), false);
end;
comment on function {{ private }}.is_migrating(text, oid) is 'Whether a session is a migration: it may take its time, and holds no lock that it had to wait for.';

create or replace function {{ private }}.stray_locks()
    returns table (pid integer, login text, application_name text, state text, may_end boolean, lock text)
    language sql volatile
begin atomic
    select
        l.pid, coalesce(a.usename::text, 'unknown'), a.application_name, a.state, coalesce({{ private }}.may_end(a.usesysid), false),
        case when i.instance_id is null then l.lock else 'session of ' || i.instance_id end
    from {{ private }}.fleet_lock as l
    join pg_stat_activity as a on l.pid = a.pid
    left join {{ private }}.instance as i on {{ private }}.session_lock_key(i.instance_id, i.incarnation) = l.key
    where l.granted
        and case
            when l.lock = 'key of decisions'
                then l.pid not in (select h.pid from {{ private }}.decision_holders() as h)
                -- in a transaction it may be a program from before the gate, for a while
                and (l.virtualtransaction like '%/0' or not {{ private }}.gate_is_new())
            else l.mode = 'ExclusiveLock' and i.instance_id is not null
        end;
end;
comment on function {{ private }}.stray_locks() is 'Who holds one of this system''s advisory locks as no program of this system does.';

create or replace function {{ private }}.hold_ups()
    returns table (
        pid integer, login text, application_name text, state text, may_end boolean, lock text, kept interval, blocking jsonb
    )
    language sql volatile
as $function$
    with waiting as materialized (
        select w.pid, {{ private }}.now() - {{ private }}.on_this_clock(w.waiting_since) as waited, w.waits_for
        from {{ private }}.waiting_sessions() as w
    ),
    running as materialized (
        select l.pid from {{ private }}.fleet_lock as l where l.lock = 'table job' and l.granted and l.mode <> 'AccessShareLock'
    ),
    -- those that wait to decide or to confirm; those that may, or run a job, and wait for something else
    decider as (
        select l.pid from {{ private }}.fleet_lock as l where l.lock = 'decision' and not l.granted
        union
        select h.pid from {{ private }}.decision_holders() as h
        union
        select r.pid from running as r
    ),
    held_up as (
        select
            b.pid, max(least(w.waited, h.held)) as kept,
            jsonb_agg(jsonb_build_object('pid', a.pid, 'login', a.usename, 'application_name', a.application_name) order by a.pid) as blocking
        from decider as d
        join waiting as w on w.pid = d.pid
        cross join lateral (select distinct u.pid from unnest(w.waits_for) as u(pid)) as b
        left join {{ private }}.decision_holders() as h on h.pid = b.pid
        left join pg_stat_activity as a on a.pid = d.pid
        where b.pid not in (select v.pid from waiting as v)
        group by b.pid
    )
    select
        h.pid, coalesce(a.usename::text, 'unknown'), a.application_name, a.state, coalesce({{ private }}.may_end(a.usesysid), false),
        coalesce(l.lock, 'unknown'), h.kept, h.blocking
    from held_up as h
    join pg_stat_activity as a on a.pid = h.pid
    left join lateral (
        select f.lock from {{ private }}.fleet_lock as f
        where f.pid = h.pid and f.holds_up_others
        order by f.lock <> 'decision', f.lock
        limit 1
    ) as l on true
    where h.pid <> pg_backend_pid()
        -- a job that decides much is at work for all; it ends with transaction_timeout
        and not (h.pid in (select r.pid from running as r) and a.state = 'active')
        and not {{ private }}.is_migrating(a.application_name, a.usesysid)
$function$;
comment on function {{ private }}.hold_ups() is 'Transactions that keep others waiting to decide, to confirm or to run a job, and for how long each of them has.';

create or replace function {{ private }}.record_hold_up(p_login text, p_lock text, p_application_name text, p_kept interval, p_ended text)
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.hold_up as h (login, lock, application_name, longest, first_at, last_at, ended)
    values (p_login, p_lock, left(p_application_name, 200), p_kept, {{ private }}.now(), {{ private }}.now(), p_ended)
    on conflict (login, lock) do update
    set
        application_name = excluded.application_name, longest = greatest(h.longest, excluded.longest),
        last_at = excluded.last_at, ended = excluded.ended
$function$;
comment on function {{ private }}.record_hold_up(text, text, text, interval, text) is 'A transaction of this login was seen to keep decisions waiting.';

create or replace function {{ private }}.end_session(p_pid integer, p_may_end boolean)
    returns text
    language sql volatile
begin atomic
    select case when not p_may_end then 'not permitted' when pg_terminate_backend(p_pid) then 'terminated' else 'gone' end;
end;
comment on function {{ private }}.end_session(integer, boolean) is 'End a session: terminated, gone (it was not there any more), or not permitted.';

create or replace function {{ private }}.end_hold_ups_now()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_found record;
    v_state text;
    v_all jsonb := jsonb '[]';
begin
    delete from {{ private }}.hold_up as h where h.last_at < {{ private }}.now() - interval '1 hour';
    for v_found in
        -- looked at twice: a transaction that is about to end is not met in its last moment again
        select s.*, interval '0' as kept, null::jsonb as blocking, true as is_stray from {{ private }}.stray_locks() as s
        join {{ private }}.stray_locks() as again on again.pid = s.pid and again.lock = s.lock
        union all
        select h.pid, h.login, h.application_name, h.state, h.may_end, h.lock, h.kept, h.blocking, false
        from {{ private }}.hold_ups() as h
        where h.kept > interval '2 seconds'
    loop
        v_state := case
            when v_found.is_stray or v_found.kept > interval '5 seconds' then {{ private }}.end_session(v_found.pid, v_found.may_end)
            else 'no'
        end;
        perform {{ private }}.record_hold_up(v_found.login, v_found.lock, v_found.application_name, v_found.kept, v_state);
        if v_state <> 'no' then
            v_all := v_all || jsonb_strip_nulls(jsonb_build_object(
                'pid', v_found.pid, 'login', v_found.login, 'application_name', v_found.application_name, 'state', v_found.state,
                'lock', v_found.lock, 'kept', case when not v_found.is_stray then v_found.kept end, 'blocking', v_found.blocking,
                'ended', v_state
            ));
        end if;
    end loop;
    return v_all;
end
$function$;
comment on function {{ private }}.end_hold_ups_now() is 'End what keeps decisions waiting and strangers'' locks, and record whose they are; returns a list of what was to be ended.';

create or replace function {{ private }}.recent_hold_ups()
    returns table (login text, severity text, finding text, detail jsonb)
    language sql stable
as $function$
    select
        h.login, case when bool_or(h.ended = 'not permitted') then 'critical' else 'warning' end,
        format(
            'sessions of %s kept decisions waiting, %s s at the longest, by: %s',
            h.login, round(extract(epoch from max(h.longest)), 1), string_agg(h.lock, ', ' order by h.lock)
        ),
        jsonb_build_object(
            'login', h.login, 'longest', max(h.longest), 'first_at', min(h.first_at), 'last_at', max(h.last_at),
            'locks', jsonb_agg(
                jsonb_build_object('lock', h.lock, 'program', h.application_name, 'ended', h.ended) order by h.lock
            )
        )
    from {{ private }}.hold_up as h
    where h.last_at > {{ private }}.now() - interval '1 hour'
    group by h.login
$function$;
comment on function {{ private }}.recent_hold_ups() is 'Whose sessions kept decisions waiting within the last hour.';

create or replace function {{ private }}.notification_queue()
    returns table (used double precision, pid integer, login text, application_name text, database text)
    language sql volatile
begin atomic
    select
        q.used,
        s.pid,
        s.usename::text,
        s.application_name,
        s.datname::text
    from (select pg_notification_queue_usage() as used) as q
    left join lateral (
        select a.* from pg_stat_activity as a
        where a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.xact_start is not null
        order by a.xact_start, a.pid
        limit 1
    ) as s on true;
end;
comment on function {{ private }}.notification_queue() is 'How full the server''s queue of notifications is (0 to 1), and whose transaction has been open for longest, in any database: what that session has not read stays in the queue if it listens.';
