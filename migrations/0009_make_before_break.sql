-- A hand-over in which the next owner starts before the present one stops (private/make_before_break.sql).

alter table {{ private }}.assignment add column make_before_break boolean not null default false;
comment on column {{ private }}.assignment.make_before_break is 'How its hand-over goes, read only while it is releasing. True: the next owner prepares, and the present one goes on until it has. False: the present one was asked to stop.';
