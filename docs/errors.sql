-- Every code with its title and comment, and the messages and hints under which functions raise it.
select
    upper(a.attname) as code,
    t.title,
    col_description(a.attrelid, a.attnum) as comment,
    (
        select
            jsonb_agg(distinct jsonb_build_object(
                'message', replace((regexp_match(m.raised, $$message = '((?:[^']|'')*)$$))[1], '''''', ''''),
                'hint', replace((regexp_match(m.raised, $$hint = (?:format\()?'((?:[^']|'')*)'$$))[1], '''''', '''')
            ))
        from pg_proc as p
        cross join
            regexp_split_to_table(p.prosrc, 'raise exception using') with ordinality as m (raised, place)
        where p.pronamespace in ('orchestrator'::regnamespace, 'orchestrator_private'::regnamespace)
            and m.place > 1
            and m.raised like '%errcode = ''' || upper(a.attname) || '''%'
            and position('errcode' in m.raised) < 20
    ) as raised
from pg_attribute as a
join jsonb_each_text((select to_jsonb(e) from orchestrator_private.error_code as e)) as t (name, title) on t.name = a.attname
where a.attrelid = 'orchestrator_private.error_code'::regclass and a.attnum > 0
order by a.attnum;
