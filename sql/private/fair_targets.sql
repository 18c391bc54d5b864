-- How many streams each instance should have: the whole total, shared in proportion to weight, between bounds.
-- The share of an instance is clamp(level × weight, lower, upper), with the one level at which the shares add up to the
-- total (water-filling). The sum of shares is piecewise linear in the level, so the level is found by walking the bounds
-- in order. Whole numbers by largest remainders (Hamilton's method); among those with a remainder, one that already
-- holds the extra stream keeps it, which is what makes the number of moves the least possible.
-- The cost follows the number of instances, not of streams.
-- Reads     its arguments only

create or replace function {{ private }}.fair_targets(
    p_total bigint, p_instance_ids text[], p_weights double precision[], p_lower integer[], p_upper integer[], p_held integer[]
)
    returns table (instance_id text, held integer, target integer)
    language sql immutable
as $function$
    with candidate as (
        select u.instance_id, u.weight, u.lower::double precision as lower, u.upper::double precision as upper, u.held
        from unnest(p_instance_ids, p_weights, p_lower, p_upper, p_held) as u(instance_id, weight, lower, upper, held)
    ),
    -- the total, as far as the bounds allow it
    total as (
        select least(greatest(p_total, sum(c.lower)), sum(c.upper)) as streams, sum(c.lower) as lowest from candidate as c
    ),
    -- at each level where an instance leaves its lower bound or reaches its upper one, the slope of the sum changes
    bend as (
        select b.level, sum(b.slope) as change
        from (
            select c.lower / c.weight as level, c.weight as slope from candidate as c
            union all
            select c.upper / c.weight, -c.weight from candidate as c
        ) as b
        group by b.level
    ),
    segment as (
        select
            b.level,
            sum(b.change) over (order by b.level) as slope,
            lead(b.level) over (order by b.level) - b.level as width
        from bend as b
    ),
    reached as (
        select s.level, s.slope, coalesce(sum(s.slope * s.width) over (order by s.level rows between unbounded preceding and 1 preceding), 0) as gained
        from segment as s
    ),
    water as (
        select r.level + case when r.slope > 1e-9 then (t.streams - t.lowest - r.gained) / r.slope else 0 end as level
        from reached as r cross join total as t
        where r.gained <= t.streams - t.lowest + 1e-6
        order by r.level desc
        limit 1
    ),
    share as (
        select c.instance_id, c.held, c.upper, least(greatest(w.level * c.weight, c.lower), c.upper) as streams
        from candidate as c cross join water as w
    ),
    whole as (
        -- a share that is a whole number but for rounding errors is that number
        select s.instance_id, s.held, s.upper, floor(s.streams + 1e-6) as streams, s.streams - floor(s.streams + 1e-6) as remainder
        from share as s
    ),
    ranked as (
        select
            w.instance_id, w.held, w.streams,
            row_number() over (
                order by (w.streams < w.upper) desc, (w.remainder > 1e-6 and w.held > w.streams) desc, w.remainder desc, w.instance_id
            ) as place,
            sum(w.streams) over () as given
        from whole as w
    )
    select r.instance_id, r.held, (r.streams + case when r.place <= round(t.streams - r.given) then 1 else 0 end)::integer
    from ranked as r cross join total as t
$function$;
comment on function {{ private }}.fair_targets(bigint, text[], double precision[], integer[], integer[], integer[]) is 'The fair number of streams for each instance: proportional to weight, between lower and upper, adding up to the total, by largest remainders, with the least moves away from what is held.';
