-- What an instance or a source may be called. orchestrator/names.py says the same; so do the checks of their tables.

create or replace function {{ private }}.is_name(p_text text)
    returns boolean
    language sql immutable strict parallel safe
begin atomic
    select p_text ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$';
end;
comment on function {{ private }}.is_name(text) is 'Whether an instance or a source may be called so: 1 to 48 letters, digits, dots, underscores and dashes, a letter or digit first.';
