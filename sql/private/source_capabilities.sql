-- The names in a required_capabilities value: a JSON list, or one text with commas. Anything else names none.
create or replace function {{ private }}.source_capabilities(p_required jsonb)
    returns text []
    language sql immutable
begin atomic
    select case jsonb_typeof(p_required)
        when 'array' then array(select jsonb_array_elements_text(p_required))
        when 'string' then array(
            select btrim(part) from string_to_table(p_required #>> '{}', ',') as part where btrim(part) <> ''
        )
        else '{}'
    end;
end;
comment on function {{ private }}.source_capabilities(jsonb) is 'The names in a required_capabilities value: a JSON list, or one text with commas.';
