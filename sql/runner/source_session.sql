-- The limits of a transaction that reads a source, whichever of them its server has; they end with it, so that a pooler's
-- next client does not inherit them.
select set_config(wanted.name, wanted.value, true)
from unnest(%s::text[], %s::text[]) as wanted (name, value)
where current_setting(wanted.name, true) is not null
