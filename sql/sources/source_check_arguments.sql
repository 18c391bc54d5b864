-- Refuse what cannot be a source, each argument with a sentence of its own.
-- Raises    OR101
create or replace function {{ private }}.source_check_arguments(
    p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval,
    p_max_removed_part numeric
)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_argument(
        'p_source', {{ private }}.is_name(p_source), to_jsonb(p_source),
        'a name of 1 to 48 letters, digits, dots, underscores and dashes'
    );
    perform {{ private }}.require_argument(
        'p_conninfo', (p_conninfo is null) = (p_table_name is null), to_jsonb(p_table_name is not null),
        'a table needs both its address and its name; a list has neither'
    );
    -- What was given is not repeated here: it may be the password.
    perform {{ private }}.require_argument(
        'p_conninfo', p_conninfo is null or p_conninfo !~* 'password|:[^/@]*@', '"(not shown)"',
        'no password in the address: keep it in a password file (PGPASSFILE) or the environment (PGPASSWORD, POSTGRES_PASSWORD) of the program that synchronises'
    );
    perform {{ private }}.require_argument(
        'p_table_name', p_table_name is null or btrim(p_table_name) <> '', to_jsonb(p_table_name), 'the name of a table or view'
    );
    perform {{ private }}.require_argument(
        'p_column_map', p_column_map is null or jsonb_typeof(p_column_map) = 'object', p_column_map,
        'an object such as {"name": "nome"}'
    );
    perform {{ private }}.require_argument(
        'p_sync_interval', p_sync_interval is null or p_sync_interval >= interval '1 second', to_jsonb(p_sync_interval),
        'at least one second'
    );
    perform {{ private }}.require_argument(
        'p_max_removed_part', p_max_removed_part is null or p_max_removed_part between 0 and 1,
        to_jsonb(p_max_removed_part), 'a part between 0 and 1'
    );
end
$function$;
comment on function {{ private }}.source_check_arguments(text, text, text, jsonb, interval, numeric) is 'Refuses what cannot be a source (OR101).';
