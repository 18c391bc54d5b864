-- Job: end what runs longer than transaction_timeout (R2.2): this system's own sessions, known by their application_name, or
-- with watched_transactions = all every client's in this database.
-- Servers from 17 on do it themselves where the connection asks for it; this is for the others, and for whoever forgot.
-- The owner sees and ends other logins' sessions as a member of pg_read_all_stats and pg_signal_backend (db roles); nobody's
-- but a superuser's is out of its reach then, and without them it sees none but its own.
-- Locks     incident_pattern (by pattern)
-- Writes    incident_pattern, and its record

create or replace function {{ private }}.long_transactions()
    returns table (pid integer, login text, application_name text, state text, age interval, may_end boolean, blocking jsonb)
    language sql volatile
as $function$
    select
        a.pid, a.usename::text, a.application_name, a.state, {{ private }}.now() - a.xact_start,
        not r.rolsuper and (pg_has_role('{{ owner }}', 'pg_signal_backend', 'member') or pg_has_role('{{ owner }}', a.usesysid, 'member')),
        coalesce((
            select jsonb_agg(
                jsonb_build_object('pid', b.pid, 'login', b.usename, 'application_name', b.application_name) order by b.pid
            )
            from pg_stat_activity as b
            where a.pid = any(pg_blocking_pids(b.pid))
        ), '[]')
    from pg_stat_activity as a
    join pg_roles as r on r.oid = a.usesysid
    where a.datname = current_database()
        and a.backend_type = 'client backend'
        and (
            a.application_name like 'orchestrator:%'
            or a.application_name like 'worker_shim %'
            or {{ private }}.setting_text('watched_transactions') = 'all'
        )
        -- a migration may take its time, and holds no lock that it had to wait for
        and a.application_name <> 'orchestrator:migrate'
        and a.pid <> pg_backend_pid()
        and a.xact_start < {{ private }}.now() - {{ private }}.setting_interval('transaction_timeout')
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
        'function', 'watch_transactions', 'message', format('%s: transaction of %s, %s for too long', e.value ->> 'ended', e.value ->> 'application_name', e.value ->> 'state'),
        'detail', e.value::text
    )))
    from jsonb_array_elements(v_ended) as e;
    return jsonb_build_object('transactions', v_ended);
end
$function$;
comment on function {{ private }}.watch_transactions() is 'Job watch_transactions: ends transactions that run too long, and says whom they blocked.';
