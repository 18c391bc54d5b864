-- One instance.
select i.status, i.incarnation from {{ private }}.instance as i where i.instance_id = %(instance_id)s
