-- Texts of errors come from everywhere and are kept, shown and sent: what could be a secret is cut out of them first.
-- orchestrator/redact.py does the same in Python. tests/security/planted_secrets.py lists what must not survive in either.
-- What is kept here is stricter in two things: a login disappears whole, and so does what follows the question mark of an address.

create or replace function {{ private }}.redact(p_text text)
    returns text
    language sql immutable strict parallel safe
begin atomic
    select named.text
    from (values (left(p_text, 4000))) as given(text)
    cross join lateral (
        values (regexp_replace(given.text, '(-----BEGIN[A-Z0-9 ]{1,40}PRIVATE KEY)(?:[^-]|-(?!----END))*(?:-----END[A-Z0-9 ]*-----)?', '\1…', 'gi'))
    ) as unkeyed(text)
    -- the path of a webhook is its password, and so is the whole of an address such as slack://… or discord://…
    cross join lateral (
        values (regexp_replace(
            regexp_replace(unkeyed.text, '(https?://[^/\s]*(?:slack|discord|webhook|hooks)[^/\s]*)/\S*|(https?://[^\s?]*)\?\S*', '\1\2/…', 'gi'),
            '\m(?!(?:https?|icy|file|unix|udp|tcp|rtm?p\w*|rtsp\w*|mms\w?|hls|srt|ftps?|postgres|postgresql):)([a-z][a-z0-9+.-]*://)[^\s"]+',
            '\1…', 'gi'
        ))
    ) as unaddressed(text)
    -- the address of a database has no other @ than the one after a login, so that all before the last one may be a password
    cross join lateral (
        values (regexp_replace(
            regexp_replace(unaddressed.text, '(postgres(?:ql)?(?:://|%3a%2f%2f))\S*(?:@|%40)', '\1', 'gi'),
            '(postgres(?:ql)?://)[^/@:\s[]*:(?!\d{1,5}(?:[/?#;\s]|$))[^@"\n]{1,200}@', '\1', 'gi'
        ))
    ) as databaseless(text)
    -- scheme://login:password@host, also url-encoded; the password may hold an @ or a / itself, but host:8000/x@y is none
    cross join lateral (
        values (regexp_replace(
            regexp_replace(
                regexp_replace(databaseless.text, '(%3a%2f%2f)(?:[^\s%&]|%(?!40|2f))*%40', '\1', 'gi'),
                '(\w://)[^/@:\s[]*:(?!\d{1,5}(?:[/?#;]|$))[^\s@"]+(?:@[^\s@/"]+)*@', '\1', 'g'
            ),
            '(\w://)[^/@\s]+@', '\1', 'g'
        ))
    ) as anonymous(text)
    -- password=…, token: …, "api_key": "…", p_token => '…'
    cross join lateral (
        values (regexp_replace(
            anonymous.text,
            $regexp$
            (
                # 1. a name that ends in one of these words …
                (?:
                    (?: passwords? | passwd | passphrase | passfile | pwd | secrets? | tokens? | credentials?
                      | (?:api|access|private|secret|stream|session|signing|shared|client|auth)key ) \d*
                    # … PASSWORD 'x'
                    (?: \s{1,9} (?= [a-z]?'|\$\w*\$ ) )?
                  # … in one of these after a boundary: api_key and x-auth name secrets, monkey and author do not …
                  | (?: (?<![[:alnum:]]) | (?<=%(?:25)*[0-9a-f]{2}) )
                    (?: (?<!\m(?:p|sort|primary|foreign|lock|cache|partition)[_-]) key
                      | (?<!\m(?:high|low|band)[_-]) pass
                      | auth | authori[sz]ation | sig | signature ) \d*
                  # … or with an escaped letter in it, which wants to hide what it is
                  | %(?:25)* (?: [46][1-9a-f] | [57][0-9a] ) (?: [\w.-] | %(?!(?:25)*3[ad]) ){0,40}
                )
                # 2. what joins it and its value, also url-encoded
                (?: (?: \\*["'] | %(?:25)*2[27] )? \s{0,9} (?: => | := | [=:] | %(?:25)*3[ad] ) \s{0,9}
                  | (?<=\s) (?=[a-z]?'|\$\w*\$) )
            )
            # 3. the value as libpq, JSON, SQL or Python quotes it; a text that was cut lacks the quote at its end
            (?:
                [a-z]{0,2}' (?: [^'\\] | \\. | '' )* (?: ' | \\?$ )
              | " (?: [^"\\] | \\. | "" )* (?: " | \\?$ )
              | \$\w*\$ .*
              | \\+["'] (?: [^"'\\] | \\{1,2}[^"'\\] | \\{3}. )*
              | [[{] [^]}]*
              # not quoted: to the next white space, or to where the next name=value begins
              | (?: (?:bearer|basic|digest) (?: \s | \+ | %20 ){1,9} )?
                (?: \\. | [^\s\\,;&)\]}"'] | [,;&)\]}"']+ (?=[^\s\\,;&)\]}"']) (?! [\w.%-]{0,60} ["']? \s? [=:] ) )+
            )
            $regexp$,
            '\1…', 'gix'
        ))
    ) as named(text);
end;
comment on function {{ private }}.redact(text) is 'A text without what looks like a password, a token, a key or the address of a webhook, and no longer than 4000 characters.';

create or replace function {{ private }}.names_secret(p_key text)
    returns boolean
    language sql immutable strict parallel safe
begin atomic
    -- what names a secret in a text does so as a key, too
    select {{ private }}.redact(p_key || '=x') <> p_key || '=x';
end;
comment on function {{ private }}.names_secret(text) is 'Whether a key of JSON names a password, a token or a key.';

create or replace function {{ private }}.redact_in(p_error jsonb)
    returns jsonb
    language sql immutable parallel safe
as $function$
    select jsonb_object_agg(
        e.key, case when {{ private }}.names_secret(e.key) then '…' else left({{ private }}.redact(e.value), 1000) end
    )
    from jsonb_each_text(case when jsonb_typeof(p_error) = 'object' then p_error end) as e
    where e.value is not null
$function$;
comment on function {{ private }}.redact_in(jsonb) is 'An error (an object of texts) without secrets; null when there is none.';

create or replace function {{ private }}.redact_json(p_value jsonb)
    returns jsonb
    language plpgsql immutable strict parallel safe
as $function$
begin
    return case jsonb_typeof(p_value)
        when 'string' then to_jsonb({{ private }}.redact(p_value #>> '{}'))
        when 'array' then (
            select coalesce(jsonb_agg({{ private }}.redact_json(e.value) order by e.n), '[]')
            from jsonb_array_elements(p_value) with ordinality as e(value, n)
        )
        when 'object' then (
            select coalesce(jsonb_object_agg(
                e.key,
                case when e.value <> 'null' and {{ private }}.names_secret(e.key) then '"…"' else {{ private }}.redact_json(e.value) end
            ), '{}')
            from jsonb_each(p_value) as e
        )
        else p_value
    end;
end
$function$;
comment on function {{ private }}.redact_json(jsonb) is 'JSON in its own shape, without the secrets that its texts hold and its keys name.';
