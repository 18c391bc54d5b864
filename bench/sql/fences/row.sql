insert into public.{{ table }} (station, artist, title, heard_at, stream_id, epoch)
values ('Radio of the north', 'The Artists', 'A song with a title', now(), %(stream)s, %(epoch)s)
