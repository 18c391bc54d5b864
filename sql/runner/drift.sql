-- Where the two schemas differ from what the last migration left.
select
    coalesce(o.kind, c.kind) as kind,
    coalesce(o.identity, c.identity) as identity,
    case
        when o.identity is null then 'left over'
        when c.identity is null then 'missing'
        else 'altered'
    end as finding
from {{ private }}.schema_object as o
full join (
    {% include 'runner/catalog.sql' %}
) as c on o.kind = c.kind and o.identity = c.identity
where
    o.identity is null
    or c.identity is null
    or o.checksum <> c.checksum and o.server_major = c.server_major
order by 3, 1, 2
