-- A session that looks at the table and then goes to lunch.
begin isolation level repeatable read;
select count(*) from {{ private }}.heartbeat;
