-- A table of results with the fence before it. Install the fence first, in the same database:
--   orchestrator db render --fence | psql -d music_log
--   psql -d music_log -f examples/fingerv7/music_log.sql
create table if not exists music_log (
    stream_id bigint not null,
    epoch bigint not null,
    heard_from timestamptz not null,
    heard_until timestamptz not null,
    station_index integer,
    station text not null,
    region text,
    fingerprint text not null,
    server_id text not null,
    primary key (stream_id, epoch, heard_from) -- a batch whose answer was lost is sent again
);
drop trigger if exists fence on music_log;
create trigger fence before insert on music_log
    for each row execute function orchestrator_fence.skip_refused('stream_id', 'epoch');
