-- Every object of the two schemas, with a checksum over its definition, owner, privileges and comment.
-- Definitions are read with search_path = pg_catalog, so that they are spelled the same for all.
select
    described.kind,
    described.identity,
    encode(sha256(convert_to(concat_ws(
        e'\n', described.owner::regrole::text, described.privileges, described.definition,
        obj_description(described.object_id, (select c.relname from pg_catalog.pg_class as c where c.oid = described.class_id))
    ), 'UTF8')), 'hex') as checksum,
    current_setting('server_version_num')::integer / 10000 as server_major,
    described.class_id,
    described.object_id
from (
    select
        'schema' as kind,
        n.nspname::text as identity,
        n.nspowner as owner,
        (select string_agg(a::text, ' ' order by a::text) from unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a) as privileges,
        '' as definition,
        'pg_catalog.pg_namespace'::regclass as class_id,
        n.oid as object_id
    from pg_catalog.pg_namespace as n
    where n.nspname in ('{{ api }}', '{{ private }}')

    union all

    select
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
        c.oid::regclass::text,
        c.relowner,
        (
            select string_agg(a::text, ' ' order by a::text)
            from unnest(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) as a
        ),
        concat_ws(
            e'\n', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
            (select string_agg(o, ', ' order by o) from unnest(c.reloptions) as o),
            -- foreign keys that were switched off
            (
                select 'off: ' || count(*) from pg_catalog.pg_trigger as g
                where g.tgrelid = c.oid and g.tgisinternal and g.tgenabled <> 'O' having count(*) > 0
            ),
            case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
            case when c.relkind in ('r', 'p', 'f', 'v', 'm') then (
                select
                    string_agg(
                        concat_ws(
                            ' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                            nullif(a.attcollation, t.typcollation)::regcollation::text, pg_get_expr(d.adbin, d.adrelid), a.attacl::text
                        ), e'\n' order by a.attnum
                    )
                from pg_catalog.pg_attribute as a
                inner join pg_catalog.pg_type as t on a.atttypid = t.oid
                left join pg_catalog.pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            ) end,
            (
                select concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
                from pg_catalog.pg_sequence as s
                where s.seqrelid = c.oid
            )
        ),
        'pg_catalog.pg_class'::regclass,
        c.oid
    from pg_catalog.pg_class as c
    where
        c.relnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))
        and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')

    union all

    select
        'index',
        c.oid::regclass::text,
        c.relowner,
        null,
        concat_ws(e'\n', pg_get_indexdef(i.indexrelid), i.indisvalid),
        'pg_catalog.pg_class'::regclass,
        c.oid
    from pg_catalog.pg_index as i
    inner join pg_catalog.pg_class as c on i.indexrelid = c.oid
    where c.relnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))

    union all

    select
        'constraint',
        format('%I on %s', o.conname, case when o.conrelid <> 0 then o.conrelid::regclass::text else o.contypid::regtype::text end),
        n.nspowner,
        null,
        concat_ws(e'\n', pg_get_constraintdef(o.oid), o.convalidated),
        'pg_catalog.pg_constraint'::regclass,
        o.oid
    from pg_catalog.pg_constraint as o
    inner join pg_catalog.pg_namespace as n on o.connamespace = n.oid
    where n.nspname in ('{{ api }}', '{{ private }}') and o.contype not in ('n', 't')

    union all

    select
        'trigger',
        format('%I on %s', t.tgname, c.oid::regclass),
        c.relowner,
        null,
        concat_ws(e'\n', pg_get_triggerdef(t.oid), t.tgenabled),
        'pg_catalog.pg_trigger'::regclass,
        t.oid
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_class as c on t.tgrelid = c.oid
    where
        c.relnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))
        and not t.tgisinternal

    union all

    select
        'function',
        p.oid::regprocedure::text,
        p.proowner,
        (select string_agg(a::text, ' ' order by a::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) as a),
        case p.prokind when 'a' then (select a::text from pg_catalog.pg_aggregate as a where a.aggfnoid = p.oid) else pg_get_functiondef(p.oid) end,
        'pg_catalog.pg_proc'::regclass,
        p.oid
    from pg_catalog.pg_proc as p
    where p.pronamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))

    union all

    select
        'type',
        t.oid::regtype::text,
        t.typowner,
        (select string_agg(a::text, ' ' order by a::text) from unnest(coalesce(t.typacl, acldefault('T', t.typowner))) as a),
        concat_ws(
            e'\n', t.typtype, t.typnotnull, t.typdefault, t.typbasetype::regtype,
            (select string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_catalog.pg_enum as e where e.enumtypid = t.oid),
            (
                select string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
                from pg_catalog.pg_attribute as a
                where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
            )
        ),
        'pg_catalog.pg_type'::regclass,
        t.oid
    from pg_catalog.pg_type as t
    where
        t.typnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))
        and (
            t.typtype in ('e', 'd', 'r')
            or t.typtype = 'c' and exists (select from pg_catalog.pg_class as c where c.oid = t.typrelid and c.relkind = 'c')
        )

    union all

    select
        'policy',
        format('%I on %s', p.polname, c.oid::regclass),
        c.relowner,
        null,
        concat_ws(e'\n', p.polcmd, p.polpermissive, p.polroles::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
        'pg_catalog.pg_policy'::regclass,
        p.oid
    from pg_catalog.pg_policy as p
    inner join pg_catalog.pg_class as c on p.polrelid = c.oid
    where c.relnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))

    union all

    select
        'rule',
        format('%I on %s', r.rulename, c.oid::regclass),
        c.relowner,
        null,
        concat_ws(e'\n', pg_get_ruledef(r.oid), r.ev_enabled),
        'pg_catalog.pg_rewrite'::regclass,
        r.oid
    from pg_catalog.pg_rewrite as r
    inner join pg_catalog.pg_class as c on r.ev_class = c.oid
    where
        c.relnamespace in (select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('{{ api }}', '{{ private }}'))
        and r.rulename <> '_RETURN'

    union all

    select
        'statistics',
        format('%I.%I', n.nspname, s.stxname),
        s.stxowner,
        null,
        pg_get_statisticsobjdef(s.oid),
        'pg_catalog.pg_statistic_ext'::regclass,
        s.oid
    from pg_catalog.pg_statistic_ext as s
    inner join pg_catalog.pg_namespace as n on s.stxnamespace = n.oid
    where n.nspname in ('{{ api }}', '{{ private }}')
) as described
