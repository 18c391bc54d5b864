-- The only caller of pg_advisory_*, and of lock table. Two kinds of locks, both named by this installation's private schema:
--   decision   one per fleet; a transaction that changes who owns what holds it to the end of the transaction
--   session    one per life of an instance, held by the worker's connection; that it is gone is seen at once
-- The decision lock is the table decision_gate, which no login can lock but through these functions: its queue is fair. Behind it
-- comes the key of decisions, an advisory lock: programs from before the gate know no other. Any login can take an advisory lock, so
-- the key is waited for no longer than a second, and who has it without the gate is a stranger (incidents/hold_ups.sql).
-- Lock order, everywhere: decision → instance rows (by id) → stream and assignment rows (by id).
-- Take the lock in a statement of its own and read in the next, or the read sees the past.

create or replace function {{ private }}.lock_key(p_name text)
    returns bigint
    language sql immutable strict parallel safe
begin atomic
    select hashtextextended('{{ private }}.' || p_name, 0);
end;
comment on function {{ private }}.lock_key(text) is 'The key of an advisory lock of this fleet.';

create or replace function {{ private }}.session_lock_key(p_instance_id text, p_incarnation bigint)
    returns bigint
    language sql immutable strict parallel safe
begin atomic
    select {{ private }}.lock_key('session:' || p_instance_id || ':' || p_incarnation::text);
end;
comment on function {{ private }}.session_lock_key(text, bigint) is 'The key of the lock that the session of one life of an instance holds.';

create or replace function {{ private }}.require_read_committed()
    returns void
    language plpgsql volatile
as $function$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception using
            errcode = 'OR101',
            message = 'decisions need the isolation level read committed',
            detail = jsonb_build_object('transaction_isolation', current_setting('transaction_isolation'))::text,
            hint = 'a snapshot taken before the lock would decide on the past: begin isolation level read committed, or set default_transaction_isolation';
    end if;
    if current_setting('session_replication_role') = 'replica' then
        raise exception using
            errcode = 'OR101',
            message = 'decisions need triggers that fire',
            detail = jsonb_build_object('session_replication_role', current_setting('session_replication_role'))::text,
            hint = 'they count what each instance has: set session_replication_role to origin';
    end if;
end
$function$;
comment on function {{ private }}.require_read_committed() is 'Refuse (OR101) a transaction whose snapshot may be older than the lock that it is about to wait for, and a session in which no trigger counts.';

create or replace function {{ private }}.tenths(p_at timestamptz)
    returns integer
    language sql stable parallel safe
begin atomic
    select ((date_part('epoch', p_at) * 10)::bigint & 2147483647)::integer;
end;
comment on function {{ private }}.tenths(timestamptz) is 'Tenths of a second since 1970, of which the lowest 31 bits: the same again after seven years.';

create or replace function {{ private }}.gate_is_new()
    returns boolean
    language plpgsql volatile
as $function$
begin
    return exists (
        select from {{ private }}.schema_migration as m
        where m.version = 22
            and m.applied_at > {{ private }}.now() - {{ private }}.setting_interval('transaction_timeout') - interval '1 minute'
    );
end
$function$;
comment on function {{ private }}.gate_is_new() is 'Whether a transaction from before the gate, which knows only the key, may still be there.';

create or replace function {{ private }}.take_decision_key(p_shared boolean)
    returns void
    language plpgsql volatile
    set lock_timeout = '1s'
as $function$
begin
    if p_shared then
        perform pg_advisory_xact_lock_shared({{ private }}.lock_key('decision'));
    else
        perform pg_advisory_xact_lock({{ private }}.lock_key('decision'));
    end if;
exception
    when lock_not_available then
        if {{ private }}.gate_is_new() then
            raise;
        end if;
end
$function$;
comment on function {{ private }}.take_decision_key(boolean) is 'Behind the gate: take the key of decisions too. A session that has it for more than a second is one of a stranger, and decisions go on without.';

create or replace function {{ private }}.note_gate_passed()
    returns void
    language plpgsql volatile
as $function$
begin
    -- Since when, for others to see: a lock that no session waits for, under a key that cannot be taken before.
    perform pg_try_advisory_xact_lock_shared((random() * 2147483647)::integer, {{ private }}.tenths({{ private }}.now()));
    -- A prepared transaction would keep the gate for ever, and no session could be ended for it. One that has notified cannot be prepared.
    if current_setting('max_prepared_transactions') <> '0' then
        perform {{ private }}.hint('changes', '');
    end if;
end
$function$;
comment on function {{ private }}.note_gate_passed() is 'What decision_holders() sees of a transaction that has passed the gate.';

create or replace function {{ private }}.lock_decisions()
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_read_committed();
    lock table {{ private }}.decision_gate in exclusive mode;
    if not pg_try_advisory_xact_lock({{ private }}.lock_key('decision')) then
        perform {{ private }}.take_decision_key(false);
    end if;
    perform {{ private }}.note_gate_passed();
    -- what was decided must be there after a crash, whatever the session says
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;
    perform {{ private }}.know_database();
end
$function$;
comment on function {{ private }}.lock_decisions() is 'Become the only one who changes who owns what, until the end of the transaction; waits as long as lock_timeout allows (55P03).';

create or replace function {{ private }}.could_lock_decisions()
    returns boolean
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.lock_decisions();
    return true;
exception
    when lock_not_available then
        return false;
end
$function$;
comment on function {{ private }}.could_lock_decisions() is 'lock_decisions() for what can be done without it when a decision takes longer than lock_timeout allows.';

create or replace function {{ private }}.lock_decisions_shared()
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_read_committed();
    lock table {{ private }}.decision_gate in share mode;
    if not pg_try_advisory_xact_lock_shared({{ private }}.lock_key('decision')) then
        perform {{ private }}.take_decision_key(true);
    end if;
    perform {{ private }}.note_gate_passed();
end
$function$;
comment on function {{ private }}.lock_decisions_shared() is 'Keep decisions out while a worker confirms what it has; many workers may at once. Never followed by lock_decisions() in the same transaction.';

create or replace function {{ private }}.be_sure_of_database()
    returns void
    language plpgsql volatile
as $function$
begin
    if {{ private }}.is_same_database() is not true then
        perform {{ private }}.lock_decisions();
    end if;
end
$function$;
comment on function {{ private }}.be_sure_of_database() is 'For who is about to say or to hear epochs without a decision: if this may be another database than it was, new ones are given first.';

create or replace function {{ private }}.lock_session(p_session_key bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    perform pg_advisory_lock_shared(p_session_key);
    perform nextval('{{ private }}.session_attachment');
end
$function$;
comment on function {{ private }}.lock_session(bigint) is 'Tie the calling session to a key until it ends. Shared, so that a half-open connection left behind cannot keep its own worker out.';

create or replace function {{ private }}.compare_sessions_anew()
    returns void
    language sql volatile
begin atomic
    select nextval('{{ private }}.session_attachment');
end;
comment on function {{ private }}.compare_sessions_anew() is 'What a session lock says has changed, though no lock has: the next look compares them all.';

create or replace function {{ private }}.sessions_checksum()
    returns bigint
    language plpgsql volatile
as $function$
declare
    -- read before the locks: an attaching session has its lock before it counts
    v_attached bigint := (select s.last_value from {{ private }}.session_attachment as s);
    v_decision bigint := {{ private }}.lock_key('decision');
begin
    return (
        select coalesce(bit_xor(hashint8extended(k.session_key, k.pid)), 0) # hashint8extended(v_attached, 0)
        from (
            select (l.classid::bigint << 32) | l.objid::bigint as session_key, l.pid
            from pg_locks as l
            where l.locktype = 'advisory' and l.objsubid = 1 and l.granted and l.mode = 'ShareLock'
        ) as k
        where k.session_key <> v_decision
    );
end
$function$;
comment on function {{ private }}.sessions_checksum() is 'Changes with the session locks, with who holds them and with each that is taken, and costs a fraction of comparing them with the instances.';

create or replace function {{ private }}.unlock_session(p_session_key bigint)
    returns boolean
    language plpgsql volatile
as $function$
begin
    return pg_advisory_unlock_shared(p_session_key);
end
$function$;
comment on function {{ private }}.unlock_session(bigint) is 'Untie the calling session from a key; false when it was not tied.';

create or replace function {{ private }}.held_sessions()
    returns table (session_key bigint, pid integer, login name)
    language sql stable
begin atomic
    select (l.classid::bigint << 32) | l.objid::bigint, l.pid, r.rolname
    from pg_locks as l
    join pg_stat_get_activity(null) as a on l.pid = a.pid
    join pg_roles as r on a.usesysid = r.oid
    where l.locktype = 'advisory'
        and l.objsubid = 1
        and l.granted
        and l.mode = 'ShareLock'
        and l.database = (select d.oid from pg_database as d where d.datname = current_database());
end;
comment on function {{ private }}.held_sessions() is 'Which session locks are held, by which server process and whose it is: the key of a lock is no secret, so that only the lock of a login that may speak for the instance says anything.';

-- Reads     pg_locks; no table of ours, which may be what is locked
create or replace view {{ private }}.fleet_lock as
select
    case
        when l.relation = '{{ private }}.decision_gate'::regclass then 'decision'
        when k.key = {{ private }}.lock_key('decision') then 'key of decisions'
        when l.relation is not null then 'table ' || c.relname
        else l.locktype
    end as lock,
    l.mode,
    l.granted,
    l.pid,
    l.waitstart,
    l.virtualtransaction,
    pg_blocking_pids(l.pid) as waits_for,
    k.key,
    coalesce(l.locktype = 'advisory' or n.nspname in ('{{ api }}', '{{ private }}'), false) as is_ours,
    -- Who has written, or locked rows, may hold the row that another waits for; a reader only holds up a migration.
    l.granted and (
        k.key = {{ private }}.lock_key('decision')
        or (n.nspname = '{{ private }}' and c.relkind = 'r' and l.mode <> 'AccessShareLock')
    ) as holds_up_others
from pg_locks as l
left join pg_class as c on l.relation = c.oid
left join pg_namespace as n on c.relnamespace = n.oid
cross join lateral (
    select case when l.locktype = 'advisory' and l.objsubid = 1 then (l.classid::bigint << 32) | l.objid::bigint end as key
) as k
where l.database = (select d.oid from pg_database as d where d.datname = current_database());
comment on view {{ private }}.fleet_lock is 'Locks of this database in this fleet''s terms: who holds the decision lock, its tables or other locks, or waits for them.';

create or replace function {{ private }}.waiting_sessions()
    returns table (pid integer, waiting_since timestamptz, waits_for integer[])
    language sql volatile
begin atomic
    select w.pid, w.waiting_since, pg_blocking_pids(w.pid)
    from (
        select l.pid, min(l.waitstart) as waiting_since
        from pg_locks as l
        where not l.granted
        group by l.pid
    ) as w;
end;
comment on function {{ private }}.waiting_sessions() is 'Server processes that wait for a lock of any kind, since when, and for whom.';

create or replace function {{ private }}.decision_holders()
    returns table (pid integer, held interval)
    language sql volatile
begin atomic
    select
        g.pid,
        max(a.age) * interval '0.1 second'
    from pg_locks as g
    left join pg_locks as m on g.pid = m.pid and m.locktype = 'advisory' and m.objsubid = 2 and m.mode = 'ShareLock' and m.granted
    -- what is no moment of the last hour was taken by its session for something else
    left join lateral (
        select ({{ private }}.tenths({{ private }}.now()) - m.objid::bigint) & 2147483647 as age
    ) as a on a.age <= 36000
    where g.relation = '{{ private }}.decision_gate'::regclass
        and g.database = (select d.oid from pg_database as d where d.datname = current_database())
        and g.granted
        and g.mode in ('ShareLock', 'ExclusiveLock')
    group by g.pid;
end;
comment on function {{ private }}.decision_holders() is 'Server processes that decide or confirm, and for how long they have kept others out; null where that is not known.';
