-- Before anything changes: note where the two schemas are not what the last migration left, so that this one does not take
-- others' objects and alterations for its own. Functions, views and triggers need no note: the files make them anew.
insert into {{ private }}.schema_object as o (kind, identity, checksum, server_major, found)
select
    c.kind,
    c.identity,
    null,
    c.server_major,
    c.checksum
from (
    {% include 'runner/catalog.sql' %}
) as c
where
    -- At the first installation only these are there, made a moment ago.
    c.kind <> 'schema'
    and c.identity not like all (array['%.schema\_migration%', '%.schema\_repeatable%', '%.schema\_object%'])
    or exists (select from {{ private }}.schema_object as known where known.kind = c.kind and known.identity = c.identity)
on conflict (kind, identity) do update
    set found = excluded.found
    where
        o.checksum <> excluded.found
        and o.server_major = excluded.server_major
        and o.kind not in ('function', 'view', 'trigger');
update {{ private }}.schema_object as o
set found = 'missing'
where
    o.checksum is not null
    and o.kind not in ('function', 'view', 'trigger')
    and not exists (
        select
        from (
            {% include 'runner/catalog.sql' %}
        ) as c
        where c.kind = o.kind and c.identity = o.identity
    );
