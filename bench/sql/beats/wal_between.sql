-- What was written between two positions: records, and the images of pages in them.
select sum(s.record_size)::bigint as record_bytes, sum(s.fpi_size)::bigint as image_bytes
from pg_get_wal_stats('0/0'::pg_lsn + %(began)s, least('0/0'::pg_lsn + %(ended)s, pg_current_wal_flush_lsn())) as s
