-- Which instance should have a stream, or each of some streams. Changes nothing.
-- Reads     instance, instance_load, requirement, refusal

create or replace function {{ private }}.pick_instances(
    p_count bigint, p_capabilities text[], p_in_region text, p_not_in_region text, p_on_probation boolean default false,
    p_without text[] default '{}'
)
    returns text[]
    language sql volatile
as $function$
    with candidate as (
        select p.*
        -- looked for before anything is asked of them that the planner would take for rare
        from (select a.* from {{ private }}.placeable_instances(p_on_probation) as a offset 0) as p
        where (cardinality(p_capabilities) = 0 or p.capabilities @> p_capabilities)
            and p.planned < p.ceiling
            and p.instance_id <> all(p_without)
            and (p_in_region is null or p.location = p_in_region)
            and (p_not_in_region is null or p.location is distinct from p_not_in_region)
        -- given one by one, each to the one that is then furthest below its share (Webster), they would reach no other
        order by (p.planned + 0.5::double precision) / p.weight, p.instance_id
        limit p_count
    ),
    fleet as (
        select
            sum(c.planned) + p_count as total, array_agg(c.instance_id) as instance_ids, array_agg(c.weight) as weights,
            array_agg(c.planned) as planned, array_agg(c.ceiling) as ceilings
        from candidate as c
    )
    select coalesce(array_agg(t.instance_id), '{}')
    from fleet as f
    cross join lateral {{ private }}.fair_targets(f.total::bigint, f.instance_ids, f.weights, f.planned, f.ceilings, f.planned) as t
    cross join lateral generate_series(1, t.target - t.held)
$function$;
comment on function {{ private }}.pick_instances(bigint, text[], text, text, boolean, text[]) is 'One instance id per stream that can be taken, up to a count, levelling the loads of those that have the capabilities.';

create or replace function {{ private }}.assign_streams(p_requirement_id integer, p_count bigint, p_last_resort boolean, p_without text[] default '{}')
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_requirement {{ private }}.requirement;
    v_to text[] := array[]::text[];
    v_region text;
begin
    select * into v_requirement from {{ private }}.requirement as r where r.requirement_id = p_requirement_id;
    if {{ private }}.setting_text('strategy') = 'location' then
        v_region := v_requirement.region;
    end if;
    if v_region is not null then
        v_to := {{ private }}.pick_instances(p_count, v_requirement.capabilities, v_region, null, false, p_without);
    end if;
    if cardinality(v_to) < p_count then
        -- the region is full, or there is no wish for one
        v_to := v_to || {{ private }}.pick_instances(
            p_count - cardinality(v_to), v_requirement.capabilities, null, v_region, false, p_without
        );
    end if;
    if p_last_resort and cardinality(v_to) < p_count then
        v_to := v_to || {{ private }}.pick_instances(
            p_count - cardinality(v_to), v_requirement.capabilities, null, null, true, p_without
        );
    end if;
    return v_to;
end
$function$;
comment on function {{ private }}.assign_streams(integer, bigint, boolean, text[]) is 'One instance id per stream of a requirement that can be taken, up to a count, without those instances: its region first under the strategy location, instances on probation last if at all.';

create or replace function {{ private }}.is_alone(p_instance_id text)
    returns boolean
    language sql volatile
begin atomic
    select not exists (
        select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.is_living
    );
end;
comment on function {{ private }}.is_alone(text) is 'Whether a stream of this owner has no living owner: then an instance on probation is better than none.';

create or replace function {{ private }}.best_instance(p_stream_id bigint)
    returns text
    language sql volatile
as $function$
    select p.instance_id
    from {{ private }}.assignment as a
    join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
    cross join lateral (
        select n.*, false as is_on_probation from {{ private }}.placeable_instances() as n
        union all
        select n.*, true from {{ private }}.placeable_instances(true) as n where {{ private }}.is_alone(a.instance_id)
    ) as p
    left join {{ private }}.refusal as o
        on o.stream_id = a.stream_id and o.instance_id = p.instance_id and o.for_failing
            and o.until > o.refused_at and o.refused_at > {{ private }}.now() - interval '1 day'
    where a.stream_id = p_stream_id
        and p.capabilities @> r.capabilities
        and p.planned < p.ceiling
        and p.instance_id is distinct from a.instance_id
        and not exists (
            select from {{ private }}.refusal as f
            where f.stream_id = a.stream_id and f.instance_id = p.instance_id and f.until > {{ private }}.now()
        )
    -- where it has not failed lately it may be heard
    order by p.is_on_probation, o.stream_id is not null, (p.planned + 1) / p.weight, p.instance_id
    limit 1
$function$;
comment on function {{ private }}.best_instance(bigint) is 'The other instance that would be least loaded with this one stream more, has what it takes and has not refused it.';

create or replace function {{ private }}.refused_streams(p_stream_ids bigint[])
    returns table (stream_id bigint, refused_by text[], has_failed boolean)
    language sql volatile
as $function$
    select
        f.stream_id,
        array_agg(f.instance_id order by f.instance_id) filter (where f.until > {{ private }}.now()),
        bool_or(f.for_failing and f.until > f.refused_at and f.refused_at > {{ private }}.now() - interval '1 day')
    from {{ private }}.refusal as f
    where f.stream_id = any(p_stream_ids)
    group by f.stream_id
    having bool_or(f.until > {{ private }}.now())
$function$;
comment on function {{ private }}.refused_streams(bigint[]) is 'Those of these streams that some instance has refused lately, by which instances, and whether it was for failing: such a stream is placed by itself, where it may be heard.';
