-- Which database this is. After a restore, a copy, a promotion or a start it may know less than it has said; then it takes a new generation,
-- and whoever holds streams is given epochs of that (assignments/generations.sql). The epochs of a generation are above all
-- that were given before, by this database or by another that came from the same data: seconds since 1970, times 2^20.
-- Locks     every caller that writes holds the decision lock
-- Writes    controller, database_mark; assignment, decision, withdrawal, stall, http_stream (through the trigger on controller)

create or replace function {{ private }}.database_fingerprint()
    returns text
    language sql volatile
as $function$
    select concat_ws(
        ' ', s.system_identifier, {{ private }}.server_timeline(), extract(epoch from {{ private }}.server_started_at()),
        d.oid, '{{ private }}.controller'::regclass::oid,
        -- a row that was copied from a dump was written by another transaction than it says
        (select coalesce(m.mark = m.xmin::text, false) from {{ private }}.database_mark as m)
    )
    from pg_control_system() as s
    cross join pg_database as d
    where d.datname = current_database()
$function$;
comment on function {{ private }}.database_fingerprint() is 'Which server and database this is, and since when it has been running.';

create or replace function {{ private }}.is_same_database()
    returns boolean
    language sql volatile
as $function$
    select c.fingerprint = {{ private }}.database_fingerprint() from {{ private }}.controller as c
$function$;
comment on function {{ private }}.is_same_database() is 'Whether this is the database that it was at the last look; null: it was never looked at.';

create or replace function {{ private }}.know_database()
    returns void
    language plpgsql volatile
as $function$
declare
    v_is_same boolean := {{ private }}.is_same_database();
begin
    if v_is_same then
        return;
    end if;
    update {{ private }}.database_mark set mark = null;
    update {{ private }}.database_mark as m set mark = m.xmin::text;
    update {{ private }}.controller as c
    set
        fingerprint = {{ private }}.database_fingerprint(),
        generation = case
            -- the very first look: nothing was given yet
            when v_is_same is null then c.generation
            -- also of two that begin within one second
            else greatest(floor(extract(epoch from {{ private }}.now()) * 2 ^ 20)::bigint, c.generation + (1 << 20))
        end,
        generation_at = case when v_is_same is null then c.generation_at else {{ private }}.now() end;
end
$function$;
comment on function {{ private }}.know_database() is 'Take a new generation if this may be another database than it was at the last look. The caller holds the decision lock.';

create or replace function {{ private }}.least_number()
    returns bigint
    language sql stable
as $function$
    select c.generation from {{ private }}.controller as c
$function$;
comment on function {{ private }}.least_number() is 'The least epoch and the least incarnation of this generation.';
