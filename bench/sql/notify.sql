-- One hint, as a decision gives it.
select pg_notify('{{ api }}.' || c.channel, '') from unnest(%(channels)s::text[]) as c(channel)
