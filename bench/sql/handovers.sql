-- What every owner was asked to stop, and for whom.
select
    a.instance_id, i.incarnation,
    array_agg(a.stream_id order by a.stream_id) as stream_ids,
    array_agg(a.next_instance_id order by a.stream_id) as to_ids
from {{ private }}.assignment as a
join {{ private }}.instance as i on i.instance_id = a.instance_id
where a.releasing_since is not null
group by a.instance_id, i.incarnation
order by a.instance_id
