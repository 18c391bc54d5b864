"""Part F: lists of stations in files, with line numbers in the errors."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sources.entry import BadPlaylist, Entry
from orchestrator.sources.merge import station_problems
from orchestrator.sources.playlist import parse
from tests.source.conftest import Fleet

M3U = """#EXTM3U
#EXTINF:-1 tvg-id="um" group-title="Notícias, ao vivo",Rádio Um, de verdade
https://radio.example/1

# a remark
#EXTINF:0,Rádio Dois
http://radio.example:8000/2?x=1
http://radio.example/3
"""

PLS = """[playlist]
File1=http://radio.example/1
Title1=Rádio Um
Length1=-1
File2=http://radio.example/2
NumberOfEntries=2
Version=2
"""

CSV = """id;nome;url;regiao;ativo;cidade
1;"Rádio ""Um""
FM";http://radio.example/1;Sul;sim;Recife
2;Dois;http://radio.example/2;;não;
"""

JSON = """{"streams": [
  {"id": 1, "name": "Um", "url": "http://radio.example/1", "metadata": {"genre": "mpb"}, "active": false},
  "http://radio.example/2"
]}
"""


def problems(content: str | bytes, filename: str, fleet: Fleet | None = None) -> list[tuple[int, str]]:
    """What is wrong with a list; with a fleet, what its database says as well."""
    check = partial(station_problems, fleet.conn) if fleet else None
    with pytest.raises(BadPlaylist) as refused:
        parse(content.encode() if isinstance(content, str) else content, filename, check=check)
    assert refused.value.hint
    return [(problem.line, problem.text) for problem in refused.value.problems]


def test_m3u_is_read() -> None:
    assert parse(M3U.encode(), "a.m3u8") == [
        Entry(
            3,
            "https://radio.example/1",
            "https://radio.example/1",
            "Rádio Um, de verdade",
            metadata={"tvg-id": "um", "group-title": "Notícias, ao vivo"},
        ),
        Entry(7, "http://radio.example:8000/2?x=1", "http://radio.example:8000/2?x=1", "Rádio Dois"),
        Entry(8, "http://radio.example/3", "http://radio.example/3"),
    ]


def test_pls_is_read() -> None:
    assert parse(PLS.encode(), "a.pls") == [
        Entry(2, "http://radio.example/1", "http://radio.example/1", "Rádio Um"),
        Entry(5, "http://radio.example/2", "http://radio.example/2"),
    ]


def test_csv_is_read() -> None:
    assert parse(CSV.encode(), "a.csv") == [
        Entry(2, "http://radio.example/1", "1", 'Rádio "Um"\nFM', True, "Sul", {"cidade": "Recife"}),
        Entry(4, "http://radio.example/2", "2", "Dois", False),
    ]


def test_json_is_read() -> None:
    assert parse(JSON.encode(), "a.json") == [
        Entry(2, "http://radio.example/1", "1", "Um", False, metadata={"genre": "mpb"}, item=1),
        Entry(3, "http://radio.example/2", "http://radio.example/2", item=2),
    ]


@pytest.mark.parametrize(("text", "count"), [(M3U, 3), (PLS, 2), (JSON, 2), ("http://radio.example/1\n", 1)])
def test_the_format_shows_in_the_beginning(text: str, count: int) -> None:
    assert len(parse(text.encode(), "-")) == count


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("text", "name"), [(M3U, "a.m3u"), (PLS, "a.pls"), (CSV, "a.csv")])
def test_lines_end_in_any_way(text: str, name: str, newline: str) -> None:
    plain = parse(text.encode(), name)
    other = parse(text.replace("\n", newline).encode(), name)
    assert [(entry.line, entry.url) for entry in other] == [(entry.line, entry.url) for entry in plain]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("text", "name"), [(M3U, "a.m3u8"), (PLS, "a.pls"), (CSV, "a.csv"), (JSON, "a.json")])
def test_unicode_is_read_with_and_without_a_mark(text: str, name: str, encoding: str) -> None:
    assert parse(text.encode(encoding), name) == parse(text.encode(), name)


def test_m3u_and_pls_may_be_latin_1() -> None:
    assert parse(PLS.encode("latin-1"), "a.pls")[0].name == "Rádio Um"
    assert parse(M3U.encode("latin-1"), "a.m3u")[1].name == "Rádio Dois"


def test_other_bytes_are_refused_with_their_line() -> None:
    assert problems(CSV.encode("latin-1"), "a.csv") == [
        (2, "byte 0xe1 is not utf-8; save the file as UTF-8, or give its encoding")
    ]
    assert problems(M3U.encode("latin-1"), "a.m3u8")[0][0] == 2
    assert parse(CSV.encode("latin-1"), "a.csv", encoding="latin-1")[0].name == 'Rádio "Um"\nFM'
    assert problems(b"#EXTM3U\nhttp://radio.example/\0", "a.m3u") == [(2, "a zero byte: this is not a text file")]


def test_every_problem_of_an_m3u_is_told(fleet: Fleet) -> None:
    text = (
        "#EXTM3U\n#EXTINF:-1,One\n#EXTINF:-1,Two\nhttp://radio.example/2\n/home/me/song.mp3\n"
        "#EXTINF:broken\nhttp://radio.example/2\nhttp://\n#EXTINF:-1,Last\n"
    )
    assert problems(text, "a.m3u", fleet) == [
        (2, "#EXTINF without a url after it"),
        (5, "'/home/me/song.mp3': the url is not http or https"),
        (6, '#EXTINF cannot be read: #EXTINF:-1 key="value",Name is expected'),
        (7, "the same url as line 4"),
        (8, "'http://': the url has no host"),
        (9, "#EXTINF without a url after it"),
    ]


def test_an_hls_playlist_is_not_a_list_of_streams() -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.9,\nhttp://radio.example/segment1.ts\n"
    assert problems(text, "a.m3u8") == [(2, "an HLS playlist of one stream, not a list: import its own url instead")]


def test_every_problem_of_a_pls_is_told(fleet: Fleet) -> None:
    text = (
        "[playlist]\nFile1=http://radio.example/1\nFile1=http://radio.example/x\nTitle2=Alone\nnonsense\n"
        "File3=mms://radio.example\nFile4=http://radio.example/1\nNumberOfEntries=9\n"
    )
    assert problems(text, "a.pls", fleet) == [
        (3, "File1 was already given on line 2"),
        (4, "Title2 without a File2"),
        (5, "neither a section nor key=value"),
        (6, "'mms://radio.example': the url is not http or https"),
        (7, "the same url as line 2"),
        (8, "NumberOfEntries is 9, but 3 are there: was it cut off?"),
    ]
    assert problems("File1=http://radio.example/1\n", "a.pls")[0][0] == 1


def test_every_problem_of_a_csv_is_told(fleet: Fleet) -> None:
    text = (
        "id,name,url,active\n1,One,http://radio.example/1,yes\n2,Two\n1,Again,http://radio.example/3,yes\n"
        "4,Four,ftp://x,yes\n5,Five,http://radio.example/5,perhaps\n6,Six,,yes\n"
    )
    assert problems(text, "a.csv", fleet) == [
        (3, "2 fields, but the first line names 4"),
        (4, "the same id (1) as line 2"),
        (5, "'ftp://x': the url is not http or https"),
        (6, "active is 'perhaps'; yes or no is expected"),
        (7, "no url"),
    ]
    assert problems("id,name\n1,x\n", "a.csv") == [(1, "the first line must name the columns, one of them url")]
    assert problems("url,x,x\n", "a.csv") == [(1, "two columns are called 'x'")]
    assert problems('url\nhttp://radio.example/1\n"http://radio.example/2\n', "a.csv")[0][0] == 3


def test_every_problem_of_a_json_list_is_told(fleet: Fleet) -> None:
    text = '[{"url": "http://radio.example/1"},\n 7, {"url": "x"},\n {"url": "http://radio.example/1", "name": []}]'
    assert problems(text, "a.json", fleet) == [
        (2, "item 2: an object with a url, or a url, is expected"),
        (2, "item 3: 'x': the url is not http or https"),
        (3, "item 4: name must be text, not list"),
    ]
    doubled = '["http://radio.example/1", "http://radio.example/1"]'
    assert problems(doubled, "a.json") == [(1, "item 2: the same url as line 1, item 1")]
    assert problems('[{"url": "http://radio.example/1"},\n {"url": }]', "a.json") == [
        (2, "not JSON: Expecting value (column 10)")
    ]
    assert problems('[{"url": "http://radio.example/1"},\n', "a.json")[0][0] == 2
    assert problems('{"url": 1}', "a.json")[0][1].startswith("a list is expected")
    assert "not a finite number" in problems('[{"url": "http://radio.example/1", "x": NaN}]', "a.json")[0][1]
    assert "not a finite number" in problems('[{"url": "http://radio.example/1", "x": 1e999}]', "a.json")[0][1]
    assert "cannot keep" in problems('[{"url": "http://radio.example/1", "x": "\\u0000"}]', "a.json")[0][1]
    assert "cannot keep" in problems('[{"url": "http://radio.example/1", "x": ["\\ud800"]}]', "a.json")[0][1]
    assert problems("[" * 100_000, "a.json")


@pytest.mark.parametrize("name", ["a.m3u", "a.pls", "a.csv", "a.json"])
def test_a_list_without_streams_is_refused(name: str) -> None:
    empty = {"a.m3u": "#EXTM3U\n", "a.pls": "[playlist]\n", "a.csv": "url\n", "a.json": "[]"}[name]
    assert problems(empty, name) == [(1, "no streams in the file")]
    assert problems("", name)


@given(st.binary(max_size=300), st.sampled_from(["a.m3u", "a.pls", "a.csv", "a.json", "-"]))
def test_any_bytes_are_either_a_list_or_refused(content: bytes, name: str) -> None:
    try:
        assert parse(content, name)
    except BadPlaylist as refused:
        assert all(problem.line >= 1 for problem in refused.problems)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
stations = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 10**9), "name": texts, "url": st.integers(0, 10**9), "city": texts}),
    min_size=1,
    max_size=20,
    unique_by=(lambda row: row["id"], lambda row: row["url"]),
)


@given(stations)
def test_json_gives_back_what_was_written(rows: list[dict[str, object]]) -> None:
    items = [{**row, "url": f"http://radio.example/{row['url']}"} for row in rows]
    entries = parse(json.dumps(items, indent=1).encode(), "a.json")
    assert [entry.url for entry in entries] == [item["url"] for item in items]
    assert [entry.external_id for entry in entries] == [str(item["id"]) for item in items]
    assert [entry.name or "" for entry in entries] == [str(item["name"]).strip() for item in items]
