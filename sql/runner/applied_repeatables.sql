-- The repeatable files as they were last applied.
select
    r.path,
    r.checksum,
    r.applied_at
from {{ private }}.schema_repeatable as r
order by r.path
