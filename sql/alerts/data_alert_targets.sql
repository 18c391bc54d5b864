-- The target that needs no address: the drivers' log. It hears of everything, unless an administrator says otherwise.

insert into {{ private }}.alert_target (target, minimum_severity, created_at)
values ('log', 'info', {{ private }}.now())
on conflict (target) do nothing;
