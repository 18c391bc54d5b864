-- What the drivers have done so far.
select sum(j.runs)::bigint as runs, (select count(*) from {{ private }}.movement) as moves, (select count(*) from {{ private }}.decision) as decisions
from {{ private }}.job as j
