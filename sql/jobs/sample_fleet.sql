-- Job: remember what the fleet looks like now. Two drivers in one moment leave one row.
-- Reads     the view fleet, instance, instance_load, assignment
-- Writes    fleet_sample

create or replace function {{ private }}.sample_fleet()
    returns jsonb
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.fleet_sample (
        sampled_at, streams_held, streams_waiting, streams_handed_over, capacity, imbalance, serving_instances, lost_instances
    )
    select
        {{ private }}.now(), f.streams_held, f.streams_waiting, f.streams_handed_over, f.capacity, i.load_difference, f.serving_instances,
        (select count(*) from {{ private }}.instance as n where n.status = 'inactive')
    from {{ api }}.fleet as f
    cross join {{ private }}.imbalance() as i
    on conflict do nothing;
    return null; -- nothing that a run should be remembered for
end
$function$;
comment on function {{ private }}.sample_fleet() is 'Job sample_fleet: a row of the fleet''s history.';
