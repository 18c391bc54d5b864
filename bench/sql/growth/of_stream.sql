-- The latest movements of one stream, as explain_stream reads them.
select m.* from {{ schema }}.movement as m where m.stream_id = %(stream_id)s order by m.epoch desc limit 200
