-- Four tables of results, alike but for the fence before them.
create table plain (
    id bigint generated always as identity primary key, station text not null, artist text not null, title text not null,
    heard_at timestamptz not null, stream_id bigint not null, epoch bigint not null
);
create table raising (like plain including all);
create table is_current (like plain including all);
create table skipping (like plain including all);
create trigger fence before insert on skipping for each row execute function {{ fence }}.skip_refused('stream_id', 'epoch');
