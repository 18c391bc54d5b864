-- The witnesses of a source: tables beside its stations that tell of the clients. One that cannot be read tells nothing, and nothing
-- depends on it.
-- Reads     source
-- Writes    witness, witnessed_client, witnessed_station

create or replace function {{ private }}.set_witness(p_source text, p_witness text, p_table_name text)
    returns void
    language plpgsql volatile
as $function$
begin
    if p_table_name is null then
        return;
    end if;
    perform {{ private }}.require_argument(
        case p_witness when 'heartbeats' then 'p_heartbeats' else 'p_music_log' end,
        btrim(p_table_name) = '' or exists (select from {{ private }}.source as s where s.source = p_source and s.kind = 'postgresql'),
        to_jsonb(left(p_table_name, 100)), 'a list has no database beside it: only a table of another PostgreSQL has witnesses'
    );
    -- what another table told is not known of this one
    delete from {{ private }}.witness as w
    where w.source = p_source and w.witness = p_witness and w.table_name <> btrim(p_table_name);
    if found then
        delete from {{ private }}.witnessed_client as c where c.source = p_source and p_witness = 'heartbeats';
        delete from {{ private }}.witnessed_station as t where t.source = p_source and p_witness = 'music_log';
    end if;
    insert into {{ private }}.witness (source, witness, table_name)
    select p_source, p_witness, btrim(p_table_name) where btrim(p_table_name) <> ''
    on conflict (source, witness) do nothing;
end
$function$;
comment on function {{ private }}.set_witness(text, text, text) is 'Let a table of a source''s database be read as this witness; an empty name ends it, null leaves it.';

create or replace function {{ private }}.witness_pause(p_witness text, p_consecutive_failures integer)
    returns interval
    language sql immutable
as $function$
    -- a little less than the rhythms that are meant, ten seconds and a minute: the job that reads is not always on its beat
    select {{ private }}.sync_pause(
        case p_witness when 'heartbeats' then interval '8 seconds' else interval '50 seconds' end, p_consecutive_failures
    )
$function$;
comment on function {{ private }}.witness_pause(text, integer) is 'How long a witness is left alone after an attempt: longer with each failure, up to ten minutes.';

create or replace function {{ private }}.is_watched(p_witness {{ private }}.witness, p_at timestamptz)
    returns boolean
    language sql immutable
begin atomic
    select coalesce((p_witness).last_success_at > p_at - interval '5 minutes', false);
end;
comment on function {{ private }}.is_watched({{ private }}.witness, timestamptz) is 'Whether a reading at this time follows the last one without a gap.';

create or replace function {{ private }}.record_witness(p_source text, p_witness text, p_read_at timestamptz)
    returns {{ private }}.witness
    language plpgsql volatile
as $function$
declare
    v_witness {{ private }}.witness;
begin
    -- the row as it was before this reading; a reading that is older than the last one, or of a witness that is none any more, is nothing
    select w.* into v_witness
    from {{ private }}.witness as w
    where w.source = p_source and w.witness = p_witness and coalesce(w.last_success_at < p_read_at, true)
    for no key update;
    update {{ private }}.witness as w
    set
        last_attempt_at = {{ private }}.now(), last_success_at = p_read_at, last_error = null, consecutive_failures = 0,
        watched_since = case when {{ private }}.is_watched(w, p_read_at) then coalesce(w.watched_since, p_read_at) else p_read_at end
    where w.source = v_witness.source and w.witness = v_witness.witness;
    return v_witness;
end
$function$;
comment on function {{ private }}.record_witness(text, text, timestamptz) is 'A witness was read. The row as it was before; null when this reading does not count.';
