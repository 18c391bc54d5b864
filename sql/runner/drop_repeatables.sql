-- Take away all functions, views and triggers that repeatable files made, and all privileges they gave; the files bring them back.
-- The gap is not seen: it is all one transaction. What others have built on them (a view of a DBA's own, a default, a constraint)
-- keeps its ground: such an object, and all that it needs itself, stays and is replaced in place.
-- Locks     views; lock_tables.sql has locked the tables
do $do$
declare
    v_object record;
begin
    for v_object in
        with recursive
        -- Ours, and replaceable.
        candidate as (
            select
                c.kind,
                c.identity,
                c.class_id,
                c.object_id
            from (
                {% include 'runner/catalog.sql' %}
            ) as c
            inner join {{ private }}.schema_object as o on c.kind = o.kind and c.identity = o.identity
            where o.checksum is not null and c.kind in ('function', 'view', 'trigger')
        ),
        -- The rule of a view and the row type of a relation stand for the view and the relation.
        stands_for as (
            select
                'pg_catalog.pg_rewrite'::regclass as class_id,
                r.oid as object_id,
                r.ev_class as relation_id
            from pg_catalog.pg_rewrite as r
            union all
            select
                'pg_catalog.pg_type'::regclass,
                t.oid,
                coalesce(nullif(t.typrelid, 0), e.typrelid)
            from pg_catalog.pg_type as t
            left join pg_catalog.pg_type as e on t.typelem = e.oid
            where t.typrelid <> 0 or e.typrelid <> 0
        ),
        -- Who needs whom.
        need as (
            select
                case when s.relation_id is null then d.classid else 'pg_catalog.pg_class'::regclass end as class_id,
                coalesce(s.relation_id, d.objid) as object_id,
                needed.class_id as needed_class_id,
                needed.object_id as needed_object_id
            from pg_catalog.pg_depend as d
            left join stands_for as s on d.classid = s.class_id and d.objid = s.object_id
            left join stands_for as r on d.refclassid = r.class_id and d.refobjid = r.object_id
            inner join candidate as needed
                on
                    needed.class_id = case when r.relation_id is null then d.refclassid else 'pg_catalog.pg_class'::regclass end
                    and needed.object_id = coalesce(r.relation_id, d.refobjid)
            where d.deptype in ('n', 'a')
        ),
        -- Needed by something that is not ours to drop, directly or through others.
        kept as (
            select
                n.needed_class_id as class_id,
                n.needed_object_id as object_id
            from need as n
            where
                not exists (select from candidate as c where c.class_id = n.class_id and c.object_id = n.object_id)
                and (n.class_id, n.object_id) <> (n.needed_class_id, n.needed_object_id)
            union
            select
                n.needed_class_id,
                n.needed_object_id
            from kept as k
            inner join need as n on k.class_id = n.class_id and k.object_id = n.object_id
        )
        select
            c.kind,
            c.class_id,
            c.object_id,
            case c.kind when 'function' then 'routine' else c.kind end || ' ' || c.identity as what
        from candidate as c
        where not exists (select from kept as k where k.class_id = c.class_id and k.object_id = c.object_id)
        order by
            array_position(array['view', 'trigger', 'function'], c.kind),
            (select t.tgrelid from pg_catalog.pg_trigger as t where c.kind = 'trigger' and t.oid = c.object_id),
            c.identity
    loop
        -- A cascade only reaches what is on this list itself, and may have been faster.
        if exists (select from pg_catalog.pg_proc as p where v_object.kind = 'function' and p.oid = v_object.object_id)
            or exists (select from pg_catalog.pg_class as c where v_object.kind = 'view' and c.oid = v_object.object_id)
            or exists (select from pg_catalog.pg_trigger as t where v_object.kind = 'trigger' and t.oid = v_object.object_id)
        then
            execute 'drop ' || v_object.what || ' cascade';
        end if;
    end loop;
end
$do$;
delete from {{ private }}.schema_repeatable;
delete from {{ private }}.schema_object as o where o.checksum is not null and o.kind in ('function', 'view', 'trigger');
do $do$
declare
    v_relation regclass;
begin
    for v_relation in
        select c.oid
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where n.nspname in ('{{ api }}', '{{ private }}') and c.relkind in ('r', 'p', 'v', 'S') and c.relowner = '{{ owner }}'::regrole
        order by c.oid
    loop
        execute pg_catalog.format('revoke all on %s from public, {{ admin }}, {{ worker }}, {{ reader }}', v_relation);
    end loop;
end
$do$;
revoke all on schema {{ api }}, {{ private }} from public, {{ admin }}, {{ worker }}, {{ reader }};
