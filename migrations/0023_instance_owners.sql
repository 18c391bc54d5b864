-- A name belongs to a role: the login that registered it, or the role that an administrator gave it to. A role may be renamed.
alter table {{ private }}.instance
add column owner_oid oid,
add column name_is_reserved boolean not null default false;
comment on column {{ private }}.instance.owner_role is 'The login or group role that the name belongs to.';
comment on column {{ private }}.instance.owner_oid is 'The oid that this role had when the name became its own: by it a role that was renamed is found, when no role has its old name.';
comment on column {{ private }}.instance.name_is_reserved is 'The name is free, but an administrator gave it to a role since: that role alone may register under it next.';
update {{ private }}.instance as i set owner_oid = r.oid from pg_catalog.pg_roles as r where r.rolname = i.owner_role;
