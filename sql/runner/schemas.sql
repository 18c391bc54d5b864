-- The two schemas, and from here on the owner's hands: all that is made belongs to it, under each login that runs this.
do $do$
declare
    v_schema name;
begin
    foreach v_schema in array array['{{ api }}', '{{ private }}'] loop
        -- "if not exists" would ask for the privilege to create even where there is nothing to create.
        if pg_catalog.to_regnamespace(v_schema) is null then
            execute pg_catalog.format('create schema %I authorization %I', v_schema, '{{ owner }}');
        end if;
    end loop;
end
$do$;
set local role {{ owner }};
