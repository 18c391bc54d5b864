create schema if not exists {{ api }} authorization {{ owner }};
create schema if not exists {{ private }} authorization {{ owner }};
set local role {{ owner }};
set local search_path = pg_catalog, pg_temp;
