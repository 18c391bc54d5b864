-- Remember what the two schemas look like now. What was already different when this migration came, and still is the same,
-- stays recorded as it was: check goes on finding it.
delete from {{ private }}.schema_object as o where o.found is null;
insert into {{ private }}.schema_object as o (kind, identity, checksum, server_major)
select
    c.kind,
    c.identity,
    c.checksum,
    c.server_major
from (
    {% include 'runner/catalog.sql' %}
) as c
on conflict (kind, identity) do update
    set checksum = excluded.checksum, server_major = excluded.server_major
    where o.found is distinct from excluded.checksum;
delete from {{ private }}.schema_object as o where o.checksum is null;
update {{ private }}.schema_object as o set found = null where o.found is not null;
