-- The fence, as a question: does this epoch still own the stream? Reads one row and takes no lock.
-- Reads     assignment
create or replace function {{ api }}.is_current(p_stream_id bigint, p_epoch bigint)
    returns boolean
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $function$
begin
    return exists (
        select from {{ private }}.assignment as a
        where a.stream_id = p_stream_id and a.epoch = p_epoch and a.instance_id is not null
    );
end
$function$;
comment on function {{ api }}.is_current(bigint, bigint) is 'Whether this epoch still owns the stream.';
revoke all on function {{ api }}.is_current(bigint, bigint) from public;
grant execute on function {{ api }}.is_current(bigint, bigint) to {{ worker }}, {{ reader }}, {{ admin }};
