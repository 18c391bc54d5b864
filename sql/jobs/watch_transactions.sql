-- Job: end what runs longer than transaction_timeout (R2.2) in this system's own sessions, known by their application_name.
-- Servers from 17 on do it themselves where the connection asks for it; this is for the others, and for whoever forgot.
-- The owner sees and ends other logins' sessions as a member of pg_read_all_stats and pg_signal_backend (db roles); nobody's
-- but a superuser's is out of its reach then, and without them it sees none but its own.
-- Writes    nothing but its record

create or replace function {{ private }}.watch_transactions()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_long record;
    v_ended jsonb := jsonb '[]';
begin
    for v_long in
        select a.pid, a.usename, a.application_name, a.state, a.xact_start, {{ private }}.now() - a.xact_start as age,
            array(select b.pid from pg_stat_activity as b where a.pid = any(pg_blocking_pids(b.pid))) as blocking,
            not r.rolsuper and (pg_has_role('{{ owner }}', 'pg_signal_backend', 'member') or pg_has_role('{{ owner }}', a.usesysid, 'member')) as may_end
        from pg_stat_activity as a
        join pg_roles as r on r.oid = a.usesysid
        where a.datname = current_database()
            and (a.application_name like 'orchestrator:%' or a.application_name like 'worker_shim %')
            -- a migration may take its time, and holds no lock that it had to wait for
            and a.application_name <> 'orchestrator:migrate'
            and a.pid <> pg_backend_pid()
            and a.xact_start < {{ private }}.now() - {{ private }}.setting_interval('transaction_timeout')
    loop
        v_ended := v_ended || jsonb_build_object(
            'pid', v_long.pid, 'login', v_long.usename, 'application_name', v_long.application_name, 'state', v_long.state,
            'age', v_long.age, 'blocking', to_jsonb(v_long.blocking),
            'ended', case
                when not v_long.may_end then 'not permitted'
                -- an idle transaction has no statement to cancel
                when v_long.state = 'active' and pg_cancel_backend(v_long.pid) then 'cancelled'
                when v_long.state <> 'active' and pg_terminate_backend(v_long.pid) then 'terminated'
                else 'gone'
            end
        );
    end loop;
    return case when v_ended <> '[]' then jsonb_build_object('transactions', v_ended) end;
end
$function$;
comment on function {{ private }}.watch_transactions() is 'Job watch_transactions: ends transactions of this system that run too long, and says whom they blocked.';
