-- Reads     incident_pattern
create or replace view {{ api }}.incident_patterns as
select
    p.pattern,
    p.sqlstate,
    p.occurrences,
    p.first_seen_at,
    p.last_seen_at,
    p.example
from {{ private }}.incident_pattern as p;
comment on view {{ api }}.incident_patterns is 'Errors that recur: their text with placeholders for what differs, how often, first and last seen, and the latest one as an example.';
grant select on {{ api }}.incident_patterns to {{ reader }}, {{ admin }};
