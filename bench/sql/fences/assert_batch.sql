select {{ fence }}.assert_current(n.stream_id, n.epoch)
from unnest(%(streams)s::bigint[], %(epochs)s::bigint[]) as n (stream_id, epoch)
