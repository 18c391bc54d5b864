-- Reads     failure_streak
create or replace view {{ api }}.failure_streaks as
select
    s.reporter,
    s.consecutive,
    s.began_at,
    s.last_failed_at,
    s.ended_at,
    s.last_error
from {{ private }}.failure_streak as s;
comment on view {{ api }}.failure_streaks is 'Failures in a row of each worker and driver: the present ones (ended_at is null) or the last ones.';
grant select on {{ api }}.failure_streaks to {{ reader }}, {{ admin }};
