-- What was set is in force.
select pg_reload_conf()
