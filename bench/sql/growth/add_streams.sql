-- So many streams more.
select count(*) from generate_series(1, {{ streams }}) as n cross join lateral {{ api }}.add_stream('http://station.example/' || n) as a
