-- Whether the counters equal a recount: a benchmark of something broken is worth nothing.
select not exists (
    select
    from {{ private }}.instance_load as l
    left join (
        select a.instance_id, count(*) as owned, bit_xor({{ private }}.digest_of(a.stream_id, a.epoch)) as digest
        from {{ private }}.assignment as a
        where a.state <> 'releasing'
        group by a.instance_id
    ) as c on c.instance_id = l.instance_id
    where (l.owned - l.outgoing, l.digest) <> (coalesce(c.owned, 0), coalesce(c.digest, 0))
) as is_right
