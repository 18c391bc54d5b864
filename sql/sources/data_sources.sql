-- The source of streams that are added by hand.

insert into {{ private }}.source (source, kind, created_at)
values ('manual', 'manual', {{ private }}.now())
on conflict (source) do nothing;
