insert into public.{{ table }} (station, artist, title, heard_at, stream_id, epoch)
select 'Radio of the north', 'The Artists', 'A song with a title', now(), n.stream_id, n.epoch
from unnest(%(streams)s::bigint[], %(epochs)s::bigint[]) as n (stream_id, epoch)
where {{ fence }}.is_current(n.stream_id, n.epoch)
