-- Texts of errors come from everywhere and are kept, shown and sent: what could be a secret is cut out of them first.

create or replace function {{ private }}.without_secrets(p_text text)
    returns text
    language sql immutable strict parallel safe
begin atomic
    select
        -- 4. password=…, token: …, "api_key": "…"
        regexp_replace(
            -- 3. an address of any other kind is made of tokens (slack://…, discord://…, mailto://…)
            regexp_replace(
                -- 2. as are the paths of webhooks, and what follows a question mark
                regexp_replace(
                    -- 1. scheme://login:password@host
                    regexp_replace(left(p_text, 4000), '(\w://)[^/\s@]*@', '\1', 'g'),
                    '(https?://[^/\s]*(?:slack|discord|webhook|hooks)[^/\s]*)/\S*|(https?://[^\s?]*)\?\S*', '\1\2/…', 'gi'
                ),
                '\m(?!https?:|icy:|postgres:|postgresql:|file:|udp:|rtmp:)([a-z][a-z0-9+.-]*://)\S+', '\1…', 'gi'
            ),
            '((?:password|passwd|pwd|passfile|secret|token|api_?key|authorization)["'']?\s*[=:]\s*)(?:(?:bearer|basic)\s+\S+|''(?:[^'']|'''')*''|"[^"]*"|[^\s,;&''"]+)',
            '\1…', 'gi'
        );
end;
comment on function {{ private }}.without_secrets(text) is 'A text without what looks like a password, a token or the address of a webhook, and no longer than 4000 characters.';

create or replace function {{ private }}.without_secrets_in(p_error jsonb)
    returns jsonb
    language sql immutable parallel safe
as $function$
    select jsonb_object_agg(e.key, left({{ private }}.without_secrets(e.value), 1000))
    from jsonb_each_text(case when jsonb_typeof(p_error) = 'object' then p_error end) as e
    where e.value is not null
$function$;
comment on function {{ private }}.without_secrets_in(jsonb) is 'An error (an object of texts) without secrets; null when there is none.';
