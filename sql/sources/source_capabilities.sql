-- The names in a required_capabilities value, in the form that requirement keeps them: sorted, each once, without
-- audio_fingerprinting. The value is a JSON list, or one text with commas; anything else names none.
create or replace function {{ private }}.source_capabilities(p_required jsonb)
    returns text []
    language sql immutable
begin atomic
    select array(
        select distinct btrim(part) as capability
        from (
            select jsonb_array_elements_text(case when jsonb_typeof(p_required) = 'array' then p_required else '[]' end) as part
            union all
            select string_to_table(case when jsonb_typeof(p_required) = 'string' then p_required #>> '{}' end, ',')
        ) as named
        where btrim(part) not in ('', 'audio_fingerprinting')
        order by capability
    );
end;
comment on function {{ private }}.source_capabilities(jsonb) is 'The names in a required_capabilities value (a JSON list, or one text with commas), as requirement keeps them.';
