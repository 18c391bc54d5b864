-- Only streams: the workers are real ones, and come by themselves.
delete from {{ private }}.instance
