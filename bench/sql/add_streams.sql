-- So many new stations wait for an instance.
with added as (
    insert into {{ private }}.stream (external_id, name, url, requirement_id, created_at, updated_at)
    select 'added-' || n, 'New station ' || n, 'http://new.example/' || n, {{ private }}.requirement_of('{}'), {{ private }}.now(), {{ private }}.now()
    from generate_series(1, {{ streams }}) as n
    returning stream_id, requirement_id
)
insert into {{ private }}.assignment (stream_id, requirement_id, waiting_since)
select a.stream_id, a.requirement_id, {{ private }}.now() from added as a;
insert into {{ private }}.settle_request (requested_at, reason) values ({{ private }}.now(), 'streams')
