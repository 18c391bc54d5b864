-- One round trip.
select 1
