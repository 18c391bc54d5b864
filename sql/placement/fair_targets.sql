-- How many streams each instance should have: the whole total, shared in proportion to weight, between bounds.
-- The share of an instance is clamp(level × weight, lower, upper), with the one level at which the shares add up to the
-- total (water-filling). The sum of shares is piecewise linear in the level: walking the bounds in order finds between
-- which two of them the level lies, and who is then at a bound; the others share what those leave.
-- Whole numbers by largest remainders (Hamilton's method); among those with a remainder, one that already
-- holds the extra stream keeps it, which is what makes the number of moves the least possible.
-- The cost follows the number of instances, not of streams.
-- Reads     its arguments only

create or replace function {{ private }}.fair_targets(
    p_total bigint, p_instance_ids text[], p_weights double precision[], p_lower integer[], p_upper integer[], p_held integer[]
)
    returns table (instance_id text, held integer, target integer)
    language sql immutable
as $function$
    with candidate as materialized (
        select
            u.instance_id, u.weight, u.lower::double precision as lower, u.upper::double precision as upper, u.held,
            u.lower / u.weight as leaves_lower_at, u.upper / u.weight as reaches_upper_at
        from unnest(p_instance_ids, p_weights, p_lower, p_upper, p_held) as u(instance_id, weight, lower, upper, held)
    ),
    -- the total, as far as the bounds allow it
    total as (
        select least(greatest(p_total, sum(c.lower)), sum(c.upper)) as streams, sum(c.lower) as lowest from candidate as c
    ),
    -- at these levels an instance leaves the lower bound or reaches the upper one
    bend as (
        select b.level, sum(b.weight) as weight, sum(b.streams) as streams
        from (
            select c.leaves_lower_at as level, c.weight, -c.lower as streams from candidate as c
            union all
            select c.reaches_upper_at, -c.weight, c.upper from candidate as c
        ) as b
        group by b.level
    ),
    filled as (
        select b.level, b.level * sum(b.weight) over (order by b.level) + sum(b.streams) over (order by b.level) as above_lowest
        from bend as b
    ),
    -- the last of them that the total reaches
    reached as (
        select max(f.level) as level from filled as f cross join total as t where f.above_lowest <= t.streams - t.lowest + 1e-6
    ),
    -- who is between the bounds from there on shares what the others leave; summed anew, because what remains of large
    -- sums after taking off large sums is rounding errors
    water as (
        select (t.streams - sum(case when c.reaches_upper_at <= r.level then c.upper when c.leaves_lower_at > r.level then c.lower else 0 end))
            / nullif(sum(case when c.reaches_upper_at > r.level and c.leaves_lower_at <= r.level then c.weight else 0 end), 0) as level
        from candidate as c cross join reached as r cross join total as t
        group by t.streams
    ),
    share as materialized (
        select
            c.instance_id, c.held, c.upper,
            case
                when c.reaches_upper_at <= r.level then c.upper
                when c.leaves_lower_at > r.level then c.lower
                else least(greatest(w.level * c.weight, c.lower), c.upper)
            end as streams
        from candidate as c cross join reached as r cross join water as w
    ),
    whole as materialized (
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
