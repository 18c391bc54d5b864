-- A beat as the HTTP face asks for it.
select * from {{ api }}.http_heartbeat(p_request => %(request)s)
