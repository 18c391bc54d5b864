-- The numbered migrations that this database has seen.
select
    m.version,
    m.name,
    m.checksum,
    m.applied_at,
    m.applied_by
from {{ private }}.schema_migration as m
order by m.version
