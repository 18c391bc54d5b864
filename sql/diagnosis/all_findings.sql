-- Every part of diagnose(), one after the other. A part that cannot be had is a finding itself and does not hide the others.
--   part_failed   a part of the diagnosis ended with an error
-- Reads     what the parts read

create or replace function {{ private }}.all_findings()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language plpgsql volatile
as $function$
declare
    v_part text;
begin
    foreach v_part in array array[
        'findings_capacity', 'findings_waiting', 'findings_standbys', 'findings_pull', 'findings_streams', 'findings_record', 'findings_presence',
        'findings_shares', 'findings_bounds', 'findings_settings', 'findings_balance', 'findings_jobs', 'findings_sources',
        'findings_witnesses', 'findings_music', 'findings_history', 'findings_sessions', 'findings_connections', 'findings_heartbeats', 'findings_clock', 'findings_schema'
    ] loop
        begin
            return query execute format('select f.* from {{ private }}.%I() as f', v_part);
        exception
            -- a value that cannot be read, something that is missing or may not be used, or too little memory
            when data_exception or syntax_error_or_access_rule_violation or cardinality_violation or insufficient_resources then
                return query select
                    'critical', 'part_failed', v_part, 'this part of the diagnosis failed: ' || sqlerrm, jsonb_build_object('sqlstate', sqlstate),
                    'The other findings say why, when a setting cannot be read or the schemas were changed by hand.', null;
        end;
    end loop;
end
$function$;
comment on function {{ private }}.all_findings() is 'What every part of the diagnosis has found, in no order.';
