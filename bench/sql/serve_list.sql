-- All streams come from a list in which their ids are numbers, as clients that speak HTTP need them.
insert into {{ private }}.source (source, kind, created_at) values ('list', 'list', {{ private }}.now()) on conflict do nothing;
update {{ private }}.stream set source = 'list', external_id = stream_id::text where source is distinct from 'list'
