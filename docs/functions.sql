-- Every public function with its parameters, result columns, roles and comment.
select
    p.proname as name,
    obj_description(p.oid, 'pg_proc') as comment,
    case when p.proretset then null else format_type(p.prorettype, null) end as returns,
    array(
        select replace(r.rolname, 'orchestrator_', '')
        from aclexplode(p.proacl) as a
        join pg_roles as r on r.oid = a.grantee and r.rolname <> 'orchestrator_owner'
        where a.privilege_type = 'EXECUTE'
        order by 1
    ) as roles,
    (
        select
            jsonb_agg(
                jsonb_build_object(
                    'name', a.name, 'type', format_type(a.type, null), 'is_parameter', coalesce(a.mode, 'i') = 'i',
                    'default', pg_get_function_arg_default(p.oid, a.place::integer)
                ) order by a.place
            )
        from
            rows from (
                unnest(p.proargnames), unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])), unnest(p.proargmodes)
            ) with ordinality as a (name, type, mode, place)
        where a.name is not null
    ) as arguments
from pg_proc as p
where p.pronamespace = 'orchestrator'::regnamespace
order by p.proname;
