-- What no public function leaves to the session of its caller: how values and statements are written and read. A server, a
-- database, a login or a reload may set each of these, and psql, pg_cron and programs of other people come as they are.
-- Parts of SQL and PL/pgSQL are read when they run: '\d' is a d where standard_conforming_strings is off, and an interval that was
-- kept as text under one IntervalStyle means another time under another. A call costs less than a microsecond more.
-- FORMS in orchestrator/conninfo.py is the same list, for our own sessions.

do $do$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid
        from pg_catalog.pg_proc as p
        where p.pronamespace = '{{ api }}'::regnamespace and p.proowner = '{{ owner }}'::regrole and p.prokind = 'f'
        order by p.oid
    loop
        execute format('alter function %s set datestyle = ''ISO, MDY''', v_function);
        execute format('alter function %s set intervalstyle = postgres', v_function);
        execute format('alter function %s set extra_float_digits = 1', v_function);
        execute format('alter function %s set bytea_output = hex', v_function);
        execute format('alter function %s set array_nulls = on', v_function);
        execute format('alter function %s set quote_all_identifiers = off', v_function);
        execute format('alter function %s set standard_conforming_strings = on', v_function);
        execute format('alter function %s set transform_null_equals = off', v_function);
    end loop;
end
$do$;
