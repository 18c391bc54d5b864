-- What a worker and its assignments disagree about, and the record of how they were brought in step (R3).
-- A difference is ordinary while something is under way: what the worker should run has changed since it last beat, or it
-- has still to confirm something and was told so lately, or is on its way there. Only what is left is a fault.
-- Locks     none that a decision waits for
-- Reads     assignment, withdrawal, movement
-- Writes    repair

create or replace function {{ private }}.is_under_way(
    p_instance_id text, p_changed_at timestamptz, p_last_beat_at timestamptz, p_has_moved boolean
)
    returns boolean
    language sql volatile
as $function$
    select
        coalesce(p_changed_at >= p_last_beat_at, false)
        or (
            (p_has_moved or p_changed_at > {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout'))
            and (
                exists (select from {{ private }}.add_commands(p_instance_id, true))
                or exists (select from {{ private }}.remove_commands(p_instance_id))
            )
        )
$function$;
comment on function {{ private }}.is_under_way(text, timestamptz, timestamptz, boolean) is 'Whether a worker may well differ from its assignments, because it has not heard of them or is at it (p_has_moved: its digest is another than at its last beat).';

create or replace function {{ private }}.record_repair(
    p_instance_id text, p_incarnation bigint, p_found_by text, p_attempt integer, p_repaired_by text, p_difference jsonb
)
    returns void
    language plpgsql volatile
as $function$
begin
    -- one row for each attempt; a worker that never gets in step does not fill the table
    update {{ private }}.repair as r
    set incarnation = p_incarnation, attempt = p_attempt, difference = p_difference
    where r.repair_id = (
        select o.repair_id
        from {{ private }}.repair as o
        where o.instance_id = p_instance_id
            and o.repaired_at is null
            and o.found_by = p_found_by
            and (o.attempt = p_attempt or p_attempt > 10)
        order by o.repair_id desc
        limit 1
    );
    if not found then
        insert into {{ private }}.repair (instance_id, incarnation, found_at, found_by, attempt, difference, repaired_by)
        values (p_instance_id, p_incarnation, {{ private }}.now(), p_found_by, p_attempt, p_difference, p_repaired_by);
    end if;
end
$function$;
comment on function {{ private }}.record_repair(text, bigint, text, integer, text, jsonb) is 'An attempt to bring a worker in step. From the tenth on the last row of its kind is brought up to date instead.';

create or replace function {{ private }}.close_repairs(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.repair as r
    set repaired_at = {{ private }}.now()
    where r.instance_id = p_instance_id and r.repaired_at is null;
end
$function$;
comment on function {{ private }}.close_repairs(text) is 'The worker is in step again.';
