-- The witnesses that are to be read now. One that failed is left alone for longer each time, up to ten minutes.
-- after_id: rows of music_log beyond it are new. Null when none was seen yet or the last reading is too long ago: what was written
-- meanwhile could not be told from what is written now.
-- Reads     witness, source, setting
create or replace function {{ api }}.witnesses_due()
    returns table (
        source text, witness text, conninfo text, table_name text, after_id bigint, read_at timestamptz, network_timeout interval,
        consecutive_failures integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_now timestamptz := {{ private }}.now();
begin
    return query
    select w.source, w.witness, s.conninfo, w.table_name,
        case when {{ private }}.is_watched(w, v_now) then w.last_row_id end,
        v_now, least({{ private }}.setting_interval('network_timeout'), interval '5 seconds'), w.consecutive_failures
    from {{ private }}.witness as w
    join {{ private }}.source as s on s.source = w.source
    where s.enabled and s.kind = 'postgresql'
        and coalesce(w.last_attempt_at + {{ private }}.witness_pause(w.witness, w.consecutive_failures) <= v_now, true)
    order by w.last_attempt_at nulls first, w.source, w.witness;
end
$function$;
comment on function {{ api }}.witnesses_due() is
'Return the tables beside the stations of sources that are to be read now, for what they tell of clients. One that failed is left alone for longer each time, up to ten minutes.
source: the name of the source.
witness: heartbeats or music_log.
conninfo: where it is, without a password.
table_name: the table there.
after_id: of music_log only rows beyond this id are new; null: none is, only the newest id is wanted.
read_at: the moment of reading, which is handed back with what was read.
network_timeout: how long a network operation may take.
consecutive_failures: failures of this witness in a row.
Example: select source, witness, table_name from {{ api }}.witnesses_due();';
revoke all on function {{ api }}.witnesses_due() from public;
grant execute on function {{ api }}.witnesses_due() to {{ admin }};
