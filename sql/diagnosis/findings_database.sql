-- Findings of diagnose(): the database beneath.
--   rights_missing          the owner cannot see other logins' sessions
--   transaction_long        a transaction has run for longer than transaction_timeout
--   lock_wait               a session waits for a lock, and who holds it
--   decisions_held_up       a login's sessions kept decisions waiting within the last hour
--   clock_stepped           the server's clock stepped, or went back and nobody has looked since
--   notify_queue_filling    a listener holds up the queue of notifications
--   connections_few         too few connections are left
--   heartbeat_not_hot       beats cannot be HOT updates
--   heartbeat_bloated       the table of beats is far larger than its rows
--   migration_missing       a migration was left out
--   schema_differs          functions, views, triggers or grants are not as they were installed
--   schema_altered          tables, indexes or constraints are not as they were installed
--   schema_left_over        something is in the schemas that does not belong there
-- Reads     instance, heartbeat, setting, schema_migration, schema_object, pg_stat_activity, pg_locks, the catalog

create or replace function {{ private }}.findings_sessions()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with session as materialized (
        select
            a.pid, a.datname, a.usesysid, a.usename, a.application_name, a.state, a.wait_event_type, a.wait_event, a.xact_start,
            {{ private }}.now() - {{ private }}.on_this_clock(a.xact_start) as age,
            'session ' || a.pid as subject,
            coalesce(nullif(a.application_name, ''), 'a program without a name') || ' of ' || coalesce(a.usename, 'no login') as who,
            -- the process id may be another session's by the time that the repair is typed
            format(
                'select pg_terminate_backend(a.pid) from pg_stat_activity as a where a.pid = %s and a.backend_start = %L',
                a.pid, a.backend_start
            ) as repair,
            jsonb_build_object(
                'pid', a.pid, 'login', a.usename, 'program', a.application_name, 'database', a.datname, 'state', a.state,
                'transaction_since', a.xact_start, 'waits_for', a.wait_event
            ) as evidence
        from pg_stat_activity as a
        where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
    ),
    waiting as materialized (
        select w.pid, {{ private }}.now() - s.waiting_since as waited, w.waits_for
        from {{ private }}.waiting_sessions() as w
        cross join lateral (select {{ private }}.on_this_clock(w.waiting_since)) as s(waiting_since)
        where s.waiting_since < {{ private }}.now() - interval '1 second'
            and w.pid in (select s.pid from session as s where s.datname = current_database())
    ),
    -- sessions that hold up others and wait for none
    holder as (
        select h.pid, count(distinct w.pid) as waiting, max(w.waited) as waited, jsonb_agg(distinct to_jsonb(s.who)) as who_waits
        from waiting as w
        cross join lateral unnest(w.waits_for) as h(pid)
        join session as s on s.pid = w.pid
        where h.pid not in (select v.pid from waiting as v)
        group by h.pid
    ),
    queue as (
        select q.used, q.pid from {{ private }}.notification_queue() as q
    )
    select 'warning', 'transaction_long', s.subject, s.who || ' has had a transaction open for ' || date_trunc('second', s.age), s.evidence,
        'It keeps locks, and old rows from being cleaned up. Find out what it does; the repair ends it.', s.repair
    from session as s
    where s.datname = current_database()
        and s.age > {{ private }}.setting_interval('transaction_timeout')
        and not {{ private }}.is_migrating(s.application_name, s.usesysid)
    union all
    select 'warning', 'lock_wait', coalesce(s.subject, 'prepared transaction'),
        h.waiting || ' sessions have waited for it for up to ' || date_trunc('second', h.waited),
        coalesce(s.evidence, '{}') || jsonb_build_object('sessions_waiting', h.waiting, 'waited', h.waited, 'who_waits', h.who_waits),
        case
            when s.pid is null then 'Its locks belong to a prepared transaction: select * from pg_prepared_xacts, then rollback prepared.'
            else s.who || ' holds what they wait for, in a transaction that is ' || coalesce(s.state, 'hidden from us') || '. The repair ends it.'
        end,
        s.repair
    from holder as h
    left join session as s on s.pid = h.pid
    union all
    select case when q.used > 0.5 then 'critical' else 'warning' end, 'notify_queue_filling', coalesce(s.subject, 'server'),
        'the queue of notifications is ' || round((100 * q.used)::numeric) || ' % full; above half, workers get no hints and learn of changes at their beats',
        coalesce(s.evidence, '{}') || jsonb_build_object('used', q.used),
        'A session that listens holds it up by an open transaction, in any database of this server: '
        || coalesce(s.who || ' has had one for the longest. The repair ends it.', 'find the oldest in pg_stat_activity.'),
        s.repair
    from queue as q
    left join session as s on s.pid = q.pid
    where q.used > 0.1
    union all
    select
        h.severity, 'decisions_held_up', h.login, h.finding, h.detail,
        'Each was ended after 5 s where the owner may end it. Find out what that login does; alter role … nologin keeps it out. An hour after the last time this is over.',
        null
    from {{ private }}.recent_hold_ups() as h
    union all
    select 'warning', 'rights_missing', 'role {{ owner }}', 'it may not see what other logins'' sessions do',
        jsonb_build_object('member_of_pg_read_all_stats', false),
        'Long transactions, holders of locks and a filling queue are only found as far as it can see. A superuser can do what the repair says.',
        'grant pg_read_all_stats, pg_signal_backend to {{ owner }}'
    where not pg_has_role('{{ owner }}', 'pg_read_all_stats', 'usage')
$function$;
comment on function {{ private }}.findings_sessions() is 'Findings: long transactions, waits for locks, a filling queue of notifications.';

create or replace function {{ private }}.findings_connections()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with used as (
        select count(*) as of_the_server, count(*) filter (where a.datname = current_database()) as of_the_database
        from pg_stat_activity as a
        where a.backend_type = 'client backend'
    ),
    lim as (
        select
            'server' as subject, u.of_the_server as used,
            current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true)::integer, 0) as most,
            'Raise max_connections and restart the server, or put those that are no workers behind a pooler.' as recommendation,
            null as repair
        from used as u
        union all
        select 'database ' || d.datname, u.of_the_database, d.datconnlimit, 'The database has a limit of its own; the repair takes it away.',
            format('alter database %I connection limit -1', d.datname)
        from used as u join pg_database as d on d.datname = current_database()
        where d.datconnlimit >= 0
    ),
    fleet as (
        select
            count(*) as instances,
            -- those that will connect when they are back
            count(*) filter (where i.status in ('warning', 'inactive') or i.session_lost_at is not null) as to_come
        from {{ private }}.instance as i
        where i.status <> 'removed'
    )
    select case when l.most - l.used < 2 then 'critical' else 'warning' end, 'connections_few', l.subject,
        greatest(l.most - l.used, 0) || ' of ' || l.most || ' connections are left, for ' || f.instances || ' instances',
        jsonb_build_object('used', l.used, 'most', l.most, 'instances', f.instances, 'instances_without_connection', f.to_come),
        l.recommendation, l.repair
    from lim as l cross join fleet as f
    -- a hand's breadth for drivers and operators
    where l.most - l.used < 5 + f.to_come or l.most < f.instances + 5
$function$;
comment on function {{ private }}.findings_connections() is 'Finding: too few connections are left for the fleet.';

create or replace function {{ private }}.findings_heartbeats()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with beats as (
        select
            c.oid, c.reloptions, pg_relation_size(c.oid) as bytes, (select count(*) from {{ private }}.heartbeat) as row_count,
            coalesce((select o.option_value::integer from pg_options_to_table(c.reloptions) as o where o.option_name = 'fillfactor'), 100) as fillfactor,
            pg_stat_get_tuples_updated(c.oid) as updated, pg_stat_get_tuples_hot_updated(c.oid) as hot
        from pg_class as c
        where c.oid = '{{ private }}.heartbeat'::regclass
    ),
    additional as (
        select x.indexrelid::regclass::text as name
        from pg_index as x
        where x.indrelid = '{{ private }}.heartbeat'::regclass and not x.indisprimary
    )
    select 'warning', 'heartbeat_not_hot', 'index ' || a.name, 'an index on the table of beats makes each beat a slow update that bloats it',
        jsonb_build_object('updated', b.updated, 'hot', b.hot),
        'Drop it, as a superuser or as {{ owner }}.', 'drop index ' || a.name
    from additional as a cross join beats as b
    union all
    select 'warning', 'heartbeat_not_hot', 'table {{ private }}.heartbeat', 'its pages are filled to ' || b.fillfactor || ' %, which leaves beats no room',
        jsonb_build_object('fillfactor', b.fillfactor, 'updated', b.updated, 'hot', b.hot),
        'Set it back, as a superuser or as {{ owner }}.', 'alter table {{ private }}.heartbeat set (fillfactor = 50)'
    from beats as b
    where b.fillfactor > 50
    union all
    select 'warning', 'heartbeat_bloated', 'table {{ private }}.heartbeat',
        'it takes ' || pg_size_pretty(b.bytes) || ' for ' || b.row_count || ' rows',
        jsonb_build_object('bytes', b.bytes, 'rows', b.row_count, 'updated', b.updated, 'hot', b.hot),
        'Something keeps old rows from being cleaned up: an open transaction, or autovacuum is off. When that is over, the repair (as a superuser or as {{ owner }}) makes it small again, in milliseconds.',
        'vacuum (full) {{ private }}.heartbeat'
    from beats as b
    -- a row takes some 150 bytes on half filled pages
    where b.bytes > 1048576 + 10 * 300 * b.row_count
$function$;
comment on function {{ private }}.findings_heartbeats() is 'Findings: beats that cannot be HOT updates, or have bloated their table.';

create or replace function {{ private }}.schema_differences()
    returns table (kind text, identity text, difference text)
    language sql volatile
    set timezone = 'UTC' -- in which the migration spelled the times that definitions name
as $function$
    {% include 'runner/drift.sql' %}
$function$;
comment on function {{ private }}.schema_differences() is 'Where the two schemas differ from what the last migration left.';

create or replace function {{ private }}.findings_schema()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with difference as materialized (
        select d.*, d.kind in ('function', 'view', 'trigger', 'schema') as is_repeatable from {{ private }}.schema_differences() as d
    ),
    gap as (
        select g.version
        from generate_series(1, (select max(m.version) from {{ private }}.schema_migration as m)) as g(version)
        where not exists (select from {{ private }}.schema_migration as m where m.version = g.version)
    )
    select 'critical', 'migration_missing', 'migration ' || lpad(g.version::text, 4, '0'), 'it was left out, and later ones were not',
        jsonb_build_object('version', g.version),
        'Its record was deleted, or it was never applied: orchestrator db check says what is missing. Restore the record, or the backup.',
        null
    from gap as g
    union all
    select 'warning', 'schema_differs', 'schemas {{ api }} and {{ private }}', count(*) || ' functions, views, triggers or grants are not as they were installed',
        jsonb_build_object('objects', (jsonb_agg(d.difference || ' ' || d.kind || ' ' || d.identity order by d.identity))),
        'They were changed by hand. The repair installs them anew.',
        'orchestrator db migrate --repair --schema {{ api }}'
    from difference as d
    where d.is_repeatable and d.difference <> 'left over'
    having count(*) > 0
    union all
    select 'warning', 'schema_altered', d.kind || ' ' || d.identity, 'it is ' || d.difference || ' since it was installed',
        jsonb_build_object('kind', d.kind, 'identity', d.identity, 'difference', d.difference),
        'Undo by hand what was done to it: migrations/ says how it must be. orchestrator db check lists everything.',
        null
    from difference as d
    where not d.is_repeatable and d.difference <> 'left over'
    union all
    select 'warning', 'schema_left_over', d.kind || ' ' || d.identity, 'no migration has made it',
        jsonb_build_object('kind', d.kind, 'identity', d.identity),
        'These schemas belong to the orchestrator alone. Keep what you need elsewhere; the repair drops it, as a superuser or as {{ owner }}.',
        case
            when d.kind = 'constraint' then (
                select format('alter table %s drop constraint %I', o.conrelid::regclass, o.conname)
                from pg_constraint as o
                where o.conrelid <> 0 and d.identity = format('%I on %s', o.conname, o.conrelid::regclass)
            )
            -- a procedure and an aggregate are of this kind, too
            when d.kind = 'function' then 'drop routine ' || d.identity
            else 'drop ' || d.kind || ' ' || d.identity
        end
    from difference as d
    where d.difference = 'left over'
        -- the index of a constraint and the sequence of a column go with those
        and not exists (
            select from pg_depend as p
            where p.classid = 'pg_class'::regclass
                and p.objid = case when d.kind in ('index', 'sequence') then to_regclass(d.identity) end
                and (p.deptype = 'i' or (d.kind = 'sequence' and p.deptype = 'a'))
        )
$function$;
comment on function {{ private }}.findings_schema() is 'Findings: what differs from what migrations have left.';

create or replace function {{ private }}.findings_clock()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    select 'warning', 'clock_stepped', 'server', s.finding, s.detail,
        'Nothing was moved for it. Find out what set the clock: chrony or ntpd should keep it without steps. An hour after the last step this is over.', null
    from {{ private }}.recent_clock_steps() as s
    union all
    select 'critical', 'clock_stepped', 'server',
        format('the clock of the database server went back by at least %s s, and nobody has looked at the fleet since', round(extract(epoch from w.back), 1)),
        jsonb_build_object('seconds', - extract(epoch from w.back)),
        'Start a driver, or run the repair: it puts right what lies ahead of the clock.', 'select * from {{ api }}.run_due_jobs()'
    from {{ private }}.clock_went_back() as w(back)
    where w.back is not null
$function$;
comment on function {{ private }}.findings_clock() is 'Findings about the clock of the server.';
