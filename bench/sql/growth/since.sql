-- What a view has of the last while, the latest first.
select * from {{ api }}.{{ view }} where {{ column }} > now() - interval '{{ since }}' order by {{ column }} desc
