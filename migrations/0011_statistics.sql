-- One decision may move every stream, the next one a single one: a sample of the journal finds the first and misses the others,
-- and the planner would read the whole journal to find what a decision moved. What it is told is that a decision moves few.

alter table {{ private }}.movement alter column decision_id set (n_distinct = -0.01);
alter table {{ private }}.assignment alter column decision_id set (n_distinct = -0.01);
