-- For a script that runs without the program: refuse what the program would refuse. In ASCII, as
-- what comes before it: a database of another encoding has to understand it.
do $do$
declare
    v_newest integer;
    v_encoding constant text := (
        select pg_catalog.pg_encoding_to_char(d.encoding) from pg_catalog.pg_database as d where d.datname = current_database()
    );
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception using
            errcode = '0A000',
            message = 'the server is older than PostgreSQL 15',
            hint = 'upgrade the server; 15 to 18 are supported';
    end if;
    if to_regclass('{{ private }}.schema_migration') is not null then
        execute 'select max(version) from {{ private }}.schema_migration' into v_newest;
        if v_newest is null and v_encoding <> 'UTF8' then
            raise exception using
                errcode = '0A000',
                message = format('the encoding of the database is %s; only UTF8 holds every station''s name', v_encoding),
                hint = 'create one that is: create database ... encoding ''UTF8'' template template0';
        end if;
        if v_newest > {{ newest_version }} then
            raise exception using
                errcode = '0A000',
                message = format('the database has migration %s and this script knows only those up to %s', v_newest, {{ newest_version }}),
                hint = 'use a script of the newer release';
        end if;
    end if;
end
$do$;
