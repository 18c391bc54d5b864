drop schema bench_growth cascade
