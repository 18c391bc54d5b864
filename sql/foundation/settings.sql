-- Reading a setting as its type.
-- Reads     setting

create or replace function {{ private }}.setting_interval(p_name text)
    returns interval
    language sql stable
begin atomic
    select s.value::interval from {{ private }}.setting as s where s.name = p_name;
end;
comment on function {{ private }}.setting_interval(text) is 'A setting of kind interval.';

create or replace function {{ private }}.setting_number(p_name text)
    returns numeric
    language sql stable
begin atomic
    select s.value::numeric from {{ private }}.setting as s where s.name = p_name;
end;
comment on function {{ private }}.setting_number(text) is 'A setting of kind integer or number.';

create or replace function {{ private }}.setting_text(p_name text)
    returns text
    language sql stable
begin atomic
    select s.value from {{ private }}.setting as s where s.name = p_name;
end;
comment on function {{ private }}.setting_text(text) is 'A setting as it is written.';
