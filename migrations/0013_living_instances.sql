-- Which statuses live, and which can be given streams, is said here and nowhere else.

alter table {{ private }}.instance
    add column is_living boolean not null generated always as (status not in ('inactive', 'removed')) stored,
    add column is_placeable boolean not null generated always as (status in ('registered', 'active', 'recovering')) stored;
comment on column {{ private }}.instance.is_living is 'Whether its status is that of a process which is there: neither lost nor removed.';
comment on column {{ private }}.instance.is_placeable is 'Whether its status lets it be given streams: it is there, not late and not draining. A standing order, a suspension or a probation may still keep them away.';
