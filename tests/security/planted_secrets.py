"""Shapes in which texts carry secrets, and texts that carry none. Python's redaction and SQL's are held to them."""

from dataclasses import dataclass

SECRET = "hush5ecret"


@dataclass(frozen=True)
class Planted:
    """A text, and what of it must not survive."""

    text: str
    secrets: tuple[str, ...] = (SECRET,)


KEYWORDS = (
    *("token", "auth", "sig", "key", "api-key", "api_key", "apikey", "secret", "password", "passwd", "pwd"),
    *("access_token", "credential", "private_key"),
)

_BY_KEYWORD = (
    # query strings
    "http://radio.example.org/live?{0}=hush5ecret",
    "http://radio.example.org/live?a=1&{0}=hush5ecret&b=2",
    "http://radio.example.org/live?a=1;{0}=hush5ecret;b=2",
    "http://radio.example.org/live?a=1;{0}=hush5ecret",
    "lost http://radio.example.org:8000/live.aac?{0}=hush5ecret: HTTP 403",
    "/live?{0}=hush5ecret",
    "(http://radio.example.org/live?{0}=hush5ecret)",
    "<http://radio.example.org/live?{0}=hush5ecret>",
    '"http://radio.example.org/live?{0}=hush5ecret"',
    "http://radio.example.org/live#{0}=hush5ecret",
    "http://radio.example.org/live|{0}=hush5ecret|b=2",
    "http://proxy.example.org/?u=http%3A%2F%2Fradio.example.org%2F%3F{0}%3Dhush5ecret%26a%3D1",
    "http://proxy.example.org/?u=http%253A%252F%252Fradio.example.org%252F%253F{0}%253Dhush5ecret",
    "%3F{0}%3Dhush5ecret",
    "a%26{0}%3dhush5ecret",
    # conninfo and the environment
    "{0}=hush5ecret",
    "host=db {0}=hush5ecret dbname=x",
    "host=db {0} = hush5ecret dbname=x",
    "{0}='hush5ecret'",
    "{0}='a b\\'hush5ecret' dbname=x",
    "{0}='a ''hush5ecret' dbname=x",
    "{0}='a hush5ecret",
    "{0}='a hush5ecret\\",
    '{0}="a hush5ecret',
    '{0}="a \\"hush5ecret"',
    "{0}=a\\ hush5ecret dbname=x",
    "{0}=a,hush5ecret",
    "{0}=a;hush5ecret",
    "{0}=a&hush5ecret",
    "{0}=a'hush5ecret",
    "{0}=a}}hush5ecret",
    "MY_{0}=hush5ecret",
    # JSON, and as Python shows it
    '{{"{0}": "hush5ecret"}}',
    '{{"{0}":"hush5ecret","user":"me"}}',
    '{{"a": {{"{0}": "a b hush5ecret"}}, "user": "me"}}',
    '{{"{0}": "a \\"hush5ecret"}}',
    '{{"{0}": ["hush5ecret", "a"]}}',
    '{{"{0}": {{"a": "hush5ecret"}}}}',
    '{{"x-{0}": "hush5ecret"}}',
    '{{"{0}" : "hush5ecret"}}',
    '{{"body": "{{\\"{0}\\": \\"hush5ecret\\"}}"}}',
    '{{"body": "{{\\"{0}\\": \\"a \\\\\\"hush5ecret\\"}}"}}',
    "{{'{0}': 'hush5ecret'}}",
    "{{'{0}': b'hush5ecret'}}",
    "%7B%22{0}%22%3A%22hush5ecret%22%7D",
    # headers
    "{0}: hush5ecret",
    "X-{0}: hush5ecret",
    "{0}: Bearer hush5ecret",
    # statements
    "call({0} => 'hush5ecret')",
    "call({0} := 'hush5ecret')",
    "call({0} => E'a\\'hush5ecret')",
    "call({0} => $$hush5ecret$$)",
    "call({0} => $x$a $1 $$ hush5ecret$x$)",
    "call({0} => $x$a hush5ecret",
    "call({0}=hush5ecret)",
)

# What may be typed into an address, escaped or not. With figures first it looks like a port.
PASSWORDS = tuple(
    f"{begin}{mark}{SECRET}{end}"
    for begin in ("", "12", "a", "12345/b")
    for mark in ("/", "?", "#", "@", ":", "%", "%2F", "&", "=", ";", '"', "[", "\\", "//", "@@", "a@b/c")
    for end in ("", "/", "@b/c", "?d=e")
)

_LOGINS = (
    "postgresql://me:hush5ecret@db.example.org/x",
    "postgres://me:hush5ecret@db.example.org:5432/x?sslmode=require",
    "POSTGRESQL://me:hush5ecret@db.example.org/x",
    "postgresql://me:a@hush5ecret@db.example.org/x",
    "postgresql://me:a/hush5ecret@db.example.org/x",
    "postgresql://:hush5ecret@db.example.org/x",
    "postgresql%3A%2F%2Fme%3Ahush5ecret%40db.example.org%2Fx",
    "http://me:hush5ecret@radio.example.org:8000/live",
    *(
        f"{before}postgresql://me:{password}@db.example.org:5432/x?sslmode=require{after}"
        for password in PASSWORDS
        for before, after in (("", ""), ("cannot use ", ": no"), ("{'dsn': '", "'}"), ("DATABASE_URL=", " psql"))
    ),
    *(f"host=db password='{password}' dbname=x" for password in PASSWORDS),
    *(f'{{"password": "{password}"}}' for password in PASSWORDS if '"' not in password),
    *(f"PGPASSWORD='{password}' psql" for password in PASSWORDS),
    "postgresql%3A%2F%2Fme%3Aa%2Fhush5ecret%40db.example.org%2Fx",
    "postgresql%3a%2f%2fme%3a12%2fhush5ecret%40b%40db.example.org%2fx",
    "postgresql://me:a hush5ecret@db.example.org/x",
    "cannot use postgresql://me:hush5ecret a b@db.example.org/x",
    "http://source:hush5ecret@radio.example.org/live?a=1",
    "https://hush5ecret@radio.example.org/live",
    "icy://me:hush5ecret@radio.example.org/",
    "icy://hush5ecret@radio.example.org/",
    "cannot open 'http://me:hush5ecret@radio.example.org/'",
)

_ADDRESSES = (
    "https://hooks.slack.example.org/services/T0/B0/hush5ecret",
    "https://discord.example.org/api/webhooks/1/hush5ecret",
    "slack://T0/B0/hush5ecret",
    "discord://1/hush5ecret",
    "mailtos://me:hush5ecret@smtp.example.org",
    "tgram://hush5ecret/1",
)

_PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIhush5ecret\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nMII-hush5ecret--=\n-----END RSA PRIVATE KEY-----\n",
    "-----BEGIN OPENSSH PRIVATE KEY-----\\nMIIhush5ecret\\n-----END OPENSSH PRIVATE KEY-----",
    "key file: -----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\nhush5ecret",
    '{"file": "-----BEGIN EC PRIVATE KEY-----\\nMII\\nhush5ecret"}',
)

_OTHERS = (
    "http://radio.example.org/live?pass%77ord=hush5ecret",
    "http://radio.example.org/live?a=1&%74oken=hush5ecret",
    "http://radio.example.org/live?%2573ig%253Dhush5ecret",
    "http://radio.example.org/live?api%2Dkey=hush5ecret",
    "http://radio.example.org/live?api%5Fkey=hush5ecret",
    "?u=x%3Fapi%252Dkey%253Dhush5ecret",
    "p_token => 'hush5ecret'",
    "p_password => 'hush5ecret', p_name => 'x'",
    "create role me password 'hush5ecret'",
    "alter role me with PASSWORD E'hush5ecret'",
    "PGPASSWORD=hush5ecret psql",
    "SSLPassword: hush5ecret",
    "DB_PASS=hush5ecret",
    "http://radio.example.org/admin.cgi?pass=hush5ecret",
    "Authorization: Bearer hush5ecret",
    "Authorization: Basic hush5ecret",
    "Proxy-Authorization: Digest hush5ecret",
    "{'Authorization': 'Bearer hush5ecret'}",
    "https://x.example.org/?X-Amz-Credential=a%2Fhush5ecret&X-Amz-Signature=hush5ecret",
    '{"stream_key": "hush5ecret"}',
    '{"streamKey": "hush5ecret"}',
    '{"clientSecret": "hush5ecret", "accessToken": "hush5ecret"}',
    "password2=hush5ecret",
)

_SEVERAL = (
    Planted("http://radio.example.org/?auth=a1b2&sig=c3d4;key=e5f6&x=1", ("a1b2", "c3d4", "e5f6")),
    Planted('{"api_key": "a1b2", "nested": {"token": "c3d4", "deeper": [{"pwd": "e5f6"}]}}', ("a1b2", "c3d4", "e5f6")),
    Planted("password=a1b2 sslpassword='c 3d4' token=e5f6", ("a1b2", "3d4", "e5f6")),
)

PLANTED = (
    *(Planted(shape.format(name)) for shape in _BY_KEYWORD for word in KEYWORDS for name in (word, word.upper())),
    *(Planted(shape.format(word.title())) for shape in _BY_KEYWORD[:5] for word in KEYWORDS),
    *(Planted(shape.format("P_" + word)) for shape in _BY_KEYWORD[-7:] for word in KEYWORDS if word != "key"),
    *(Planted(text) for text in (*_LOGINS, *_ADDRESSES, *_PEM, *_OTHERS)),
    *_SEVERAL,
)

INNOCENT = (
    "",
    "monkey=banana",
    "keyboard: x",
    "the key of the lock",
    "Key (stream_id)=(7) already exists.",
    "sort_key=name primary_key=id foreign_key: stream lock_key=7",
    "p_key => 'balance'",
    "author=Machado author: Clarice authors=2",
    "signal=15 design=flat sign=1 signed=yes",
    "tokenizer=x secretary: Ana passenger=3 compass=north bypass=1",
    "high-pass=200 low_pass=3000",
    "keys=3 keyframe=10 key_frames=2",
    "no password supplied",
    'password authentication failed for user "me"',
    "check the user and password (PGPASSWORD or the password file)",
    "select name from t where password is null",
    "host=db port=5432 dbname=x user=me",
    "http://radio.example.org:8000/live@128",
    "http://radio.example.org:8000",
    "http://[2001:db8::1]:8000/live@128",
    "connect to postgresql://db.example.org/x",
    "the stream 7 (Rádio São Paulo) is silent: HTTP 404; 3 of 5 tries, 12:30:05",
    '{"stream_id": 7, "author": "x", "name": "Chave & Cia"}',
    "100% of 5 %s, caf%C3%A9=1",
)
