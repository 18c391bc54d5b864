-- Reads     setting
create or replace view {{ api }}.settings as
select
    s.name,
    s.value,
    s.default_value,
    s.kind,
    s.minimum,
    s.maximum,
    s.allowed,
    s.unit,
    s.description,
    s.changed_at,
    s.changed_by,
    case when s.kind = 'interval' then s.value::interval end as duration
from {{ private }}.setting as s;
comment on view {{ api }}.settings is 'The settings with their defaults, bounds and meanings; duration is the value of those that are intervals.';
