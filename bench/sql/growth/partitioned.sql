-- The movements once more, a partition for each month. The key has to hold the time: that an epoch of a stream is there once
-- can no longer be promised.
create schema bench_growth;
create table bench_growth.movement (
    like {{ private }}.movement,
    primary key (stream_id, epoch, moved_at)
) partition by range (moved_at);
create index on bench_growth.movement (decision_id);
create index on bench_growth.movement (moved_at);
do $do$
begin
    for v_month in 0..12 loop
        execute format(
            'create table bench_growth.movement_%s partition of bench_growth.movement for values from (%L) to (%L)', v_month,
            date_trunc('month', {{ private }}.now()) - v_month * interval '1 month',
            date_trunc('month', {{ private }}.now()) - (v_month - 1) * interval '1 month'
        );
    end loop;
end
$do$;
insert into bench_growth.movement select m.* from {{ private }}.movement as m;
analyze bench_growth.movement
