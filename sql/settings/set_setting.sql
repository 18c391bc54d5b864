-- Change one setting. Its bounds, and the inequalities between settings, are checked; a change that breaks one changes nothing.
-- Locks     setting rows
-- Writes    setting, settle_request
-- Raises    OR107 unknown setting · OR108 not a value of its kind, out of bounds, or an inequality would break
create or replace function {{ api }}.set_setting(p_name text, p_value text)
    returns table (name text, old_value text, value text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_setting {{ private }}.setting;
    v_value text;
begin
    -- all of them: two sessions must not break an inequality together
    perform from {{ private }}.setting as s order by s.name for update;
    select * into v_setting from {{ private }}.setting as s where s.name = p_name;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown setting',
            detail = jsonb_build_object('name', p_name)::text,
            hint = 'select name, value, description from {{ api }}.settings lists them';
    end if;
    v_value := {{ private }}.setting_value(v_setting, p_value);
    update {{ private }}.setting as s
    set value = v_value, changed_at = {{ private }}.now(), changed_by = {{ private }}.actor()
    where s.name = p_name and s.value <> v_value;
    perform {{ private }}.check_settings();
    if p_name like 'standby%' or {{ private }}.standbys_are_on() then
        perform {{ private }}.check_standby_window();
    end if;
    if p_name = 'strategy' and v_value <> v_setting.value then
        perform {{ private }}.request_settle('strategy', v_value);
    end if;
    return query select p_name, v_setting.value, v_value;
end
$function$;
comment on function {{ api }}.set_setting(text, text) is
'Change one setting. Its bounds and the inequalities between settings are checked; a change that breaks one is refused (OR108) and changes nothing.
p_name: the setting.
p_value: its new value, as text.
name: the setting.
old_value: its value before.
value: its value now.
Raises: OR107, OR108.
Example: select * from {{ api }}.set_setting(''rebalance_cooldown'', ''10 minutes'');';
revoke all on function {{ api }}.set_setting(text, text) from public;
grant execute on function {{ api }}.set_setting(text, text) to {{ admin }};
