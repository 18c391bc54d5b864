-- A table of seconds with the fence before it. Install the fence first, in the same database:
--   orchestrator db render --fence | psql -d music_log
--   psql -d music_log -f examples/standby/heard.sql
create table if not exists heard (
    stream_id bigint not null,
    second bigint not null, -- since 1970
    epoch bigint not null,
    fingerprint bytea not null,
    server_id text not null,
    primary key (stream_id, second) -- a second counts once, whichever owner writes it
);
drop trigger if exists fence on heard;
create trigger fence before insert on heard
    for each row execute function orchestrator_fence.skip_refused('stream_id', 'epoch');
