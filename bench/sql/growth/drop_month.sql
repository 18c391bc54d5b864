-- The oldest month but one (the oldest is not whole).
drop table bench_growth.movement_11
