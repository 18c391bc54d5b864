-- Findings of diagnose(): whether the fleet is large enough.
--   no_instance                no instance is there to listen
--   capacity_missing           there are more streams than places
--   capacity_without_largest   the loss of the largest instance would leave streams unheard
-- Reads     instance, instance_load, assignment

create or replace function {{ private }}.findings_capacity()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with serving as (
        select i.instance_id, i.max_streams
        from {{ private }}.instance as i
        where i.is_living and i.status <> 'draining' and i.standing_order is null
    ),
    largest as (
        select s.instance_id, s.max_streams from serving as s order by s.max_streams desc, s.instance_id limit 1
    ),
    -- whose drain an administrator could call off
    drained as (
        select i.instance_id
        from {{ private }}.instance as i
        where i.status = 'draining' and i.standing_order = 'drain'
        order by i.max_streams desc, i.instance_id
        limit 1
    ),
    fleet as (
        select
            (select count(*) from serving) as instances,
            (select coalesce(sum(s.max_streams), 0) from serving as s) as capacity,
            -- what a lost instance keeps, because no other can take it, waits
            (
                select coalesce(sum(l.owned), 0)
                from {{ private }}.instance_load as l
                join {{ private }}.instance as i on i.instance_id = l.instance_id and i.status <> 'inactive'
            ) + {{ private }}.count_waiting(1000000) as streams
    ),
    evident as (
        select
            f.*, l.instance_id as largest_id, l.max_streams as largest,
            (select format('select * from {{ api }}.undrain_instance(%L)', d.instance_id) from drained as d) as undrain,
            jsonb_build_object('streams', f.streams, 'capacity', f.capacity, 'instances', f.instances) as evidence
        from fleet as f left join largest as l on true
        where f.streams > 0
    )
    select 'critical', 'no_instance', 'fleet', 'no instance is there to listen to ' || e.streams || ' streams', e.evidence,
        'Start instances, or find out why those that were there are gone: select * from {{ api }}.instances.', e.undrain
    from evident as e
    where e.instances = 0
    union all
    select 'critical', 'capacity_missing', 'fleet',
        (e.streams - e.capacity) || ' places are missing: ' || e.streams || ' streams, ' || e.capacity || ' places',
        e.evidence || jsonb_build_object('missing', e.streams - e.capacity),
        'Start another instance, or raise max_streams where a machine has the power for it: {{ api }}.set_capacity(…).', e.undrain
    from evident as e
    where e.instances > 0 and e.streams > e.capacity
    union all
    select 'warning', 'capacity_without_largest', 'instance ' || e.largest_id,
        'its loss would leave ' || (e.streams - e.capacity + e.largest) || ' streams unheard',
        e.evidence || jsonb_build_object(
            'largest_instance', e.largest_id, 'its_max_streams', e.largest, 'would_be_missing', e.streams - e.capacity + e.largest
        ),
        'Start another instance, or raise max_streams of the others where their machines have the power for it: {{ api }}.set_capacity(…).',
        e.undrain
    from evident as e
    where e.streams <= e.capacity and e.streams > e.capacity - e.largest
$function$;
comment on function {{ private }}.findings_capacity() is 'Findings: whether the fleet is large enough, and would be without its largest instance.';
