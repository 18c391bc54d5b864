-- Who has a stream.
select a.instance_id, a.state from {{ private }}.assignment as a where a.stream_id = %(stream_id)s
