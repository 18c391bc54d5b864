-- What has been applied, and what the catalog looked like after it.
create table if not exists {{ private }}.schema_migration (
    version integer not null,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null,
    applied_by text not null,
    constraint schema_migration_pkey primary key (version)
);
comment on table {{ private }}.schema_migration is 'A numbered migration that was applied, with the checksum of its text at that time.';

create table if not exists {{ private }}.schema_repeatable (
    path text not null,
    checksum text not null,
    applied_at timestamptz not null,
    constraint schema_repeatable_pkey primary key (path)
);
comment on table {{ private }}.schema_repeatable is 'A file of functions, views, triggers, data or grants as it was last applied. A different checksum applies all of them again.';

create table if not exists {{ private }}.schema_object (
    kind text not null,
    identity text not null,
    checksum text,
    server_major integer not null,
    found text,
    constraint schema_object_pkey primary key (kind, identity)
);
comment on table {{ private }}.schema_object is 'Every object of the two schemas as a migration left it, by a checksum of its definition, owner and privileges.';
comment on column {{ private }}.schema_object.checksum is 'Null only during a migration, for what others had put into the schemas before.';
comment on column {{ private }}.schema_object.server_major is 'The server''s major version: another one may spell the same definition differently.';
comment on column {{ private }}.schema_object.found is 'Only during a migration: the checksum that it found, when it was not the recorded one.';
