-- What is wrong, why, and what to type: a row for each finding, the worst first; no rows, nothing to do.
--   critical   streams are not heard, or the record is wrong
--   warning    it will come to that, or cannot be relied upon
--   info       worth knowing
-- repair is a statement or a command to copy and paste; null where only a person can do what the recommendation says.
-- Reads     everything, with a recount of all counters
create or replace function {{ api }}.diagnose()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $function$
    select f.severity, f.code, f.subject, f.finding, f.evidence, f.recommendation, f.repair
    from {{ private }}.all_findings() as f
    order by array_position(array['critical', 'warning', 'info'], f.severity), f.code, f.subject
$function$;
comment on function {{ api }}.diagnose() is
'Say what is wrong, on what evidence, and what repairs it, the worst first. No rows: there is nothing to do.
severity: critical (streams are not heard, or the record is wrong), warning (it will come to that) or info.
code: the kind of finding; the manual of diagnosis lists all.
subject: the instance, stream, job or other thing that it is about.
finding: what was found, in a sentence.
evidence: the figures, as JSON.
recommendation: what to do.
repair: the statement or command to copy and paste; null where a person has to act.
Example: select severity, code, subject, finding, repair from {{ api }}.diagnose();';
revoke all on function {{ api }}.diagnose() from public;
grant execute on function {{ api }}.diagnose() to {{ reader }}, {{ admin }};
