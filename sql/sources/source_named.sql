-- The source of that name.
-- Raises    OR107 unknown source · OR101 'manual', whose streams have no list behind them
create or replace function {{ private }}.source_named(p_source text)
    returns {{ private }}.source
    language plpgsql volatile
as $function$
declare
    v_source {{ private }}.source;
begin
    select * into v_source from {{ private }}.source as s where s.source = p_source;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown source',
            detail = jsonb_build_object('source', p_source)::text,
            hint = 'select source from {{ api }}.sources lists those that are known; {{ api }}.add_source adds one';
    end if;
    perform {{ private }}.require_argument(
        'p_source', v_source.kind <> 'manual', to_jsonb(p_source),
        'streams added by hand have no source to follow: use add_stream and remove_stream'
    );
    return v_source;
end
$function$;
comment on function {{ private }}.source_named(text) is 'The source of that name; refuses unknown ones (OR107) and ''manual'' (OR101).';
