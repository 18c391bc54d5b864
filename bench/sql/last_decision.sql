-- How many moves the last decision made, and the least number that could have reached the same loads.
select d.moves, d.least_moves from {{ private }}.decision as d order by d.decision_id desc limit 1
