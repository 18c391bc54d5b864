-- Whether the purge has more to do.
select j.next_run_at <= {{ private }}.now() + interval '1 second' as is_due from {{ private }}.job as j where j.job = 'purge_history'
