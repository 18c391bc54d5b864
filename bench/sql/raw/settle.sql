-- Was a rebalance asked for?
select exists (select from {{ private }}.settle_request)
