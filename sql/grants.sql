-- Who may do what. Each public function grants itself beside its text; this file opens the schema, the views and the staging
-- table, and closes everything private.

revoke all on schema {{ api }} from public;
revoke all on schema {{ private }} from public;
revoke all on all tables in schema {{ private }} from public;
revoke all on all functions in schema {{ private }} from public;
grant usage on schema {{ api }} to {{ admin }}, {{ worker }}, {{ reader }};
grant select on
{{ api }}.instances, {{ api }}.streams, {{ api }}.assignments, {{ api }}.decisions, {{ api }}.movements, {{ api }}.alerts,
{{ api }}.jobs, {{ api }}.job_runs, {{ api }}.settings, {{ api }}.state_machine, {{ api }}.locks, {{ api }}.sources,
{{ api }}.repairs, {{ api }}.stalled_streams, {{ api }}.failing_stations, {{ api }}.clock_steps, {{ api }}.standbys,
{{ api }}.coverage, {{ api }}.gaps
to {{ reader }}, {{ admin }};
grant insert on {{ api }}.stream_staging to {{ admin }};
-- what the views call runs with the rights of their reader
grant execute on function {{ private }}.now() to {{ reader }}, {{ admin }};
grant execute on function {{ private }}.sync_pause(interval, integer) to {{ reader }}, {{ admin }};
grant execute on function {{ private }}.lock_key(text) to {{ reader }}, {{ admin }};
grant execute on function {{ private }}.is_storable_conninfo(text) to {{ reader }}, {{ admin }};
grant execute on function {{ private }}.names_secret(text) to {{ reader }}, {{ admin }};
grant execute on function {{ private }}.redact(text) to {{ reader }}, {{ admin }};
