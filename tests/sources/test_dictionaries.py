"""Dictionaries: read as written, refused with file and line where they can't be used, and never anything else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import h3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.dictionaries import App, Cell, Device, District
from sources.dictionaries import ATTRIBUTES, DISTRICT_KINDS, DictionaryError, load

HERE = h3.latlng_to_cell(39.908, 116.46, 8)
BESIDE = sorted(h3.grid_ring(HERE, 1))[0]
FAR = h3.latlng_to_cell(40.3, 116.1, 8)
MIDDLE = h3.cell_to_latlng(HERE)

GOOD = {
    "cells.csv": f"cell_id,latitude,longitude,province,neighbours\nc-1,{MIDDLE[0]},{MIDDLE[1]},北京,c-2 c-3\n"
    "c-2,40.0,117.0,北京市,\n",
    "districts.csv": f"h3,district,kind,province\n{HERE},国贸,business,北京市\n{BESIDE},国贸,business,北京\n"
    f"{FAR},回龙观,residential,北京\n",
    "apps.csv": "alias,app,category\n微信,WeChat,social\nWEIXIN,WeChat,social\n",
    "devices.csv": 'alias,brand,model,os,price_band,launch_year\n"PHX12,1",Phone,X 12 Pro,android,high,2024\nY1,Phone,'
    "Y,android,low,\n",
    "regions.csv": "alias,region\n北京市,北京\n北京市朝阳区,北京-朝阳\n",
    "keywords.csv": "keyword,intent\n装修,renovation\n全屋定制,renovation\nIPHONE,phone\n",
    "attributes.csv": "attribute,value\nage,41\ngender,female\n",
}


def written(folder: Path, **changed: str | bytes | None) -> Path:
    """The good dictionaries with files (named without ending) changed, or left out for None."""
    for name, good in GOOD.items():
        content = changed.get(name.removesuffix(".csv"), good)
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def error_of(folder: Path) -> str:
    with pytest.raises(DictionaryError) as error:
        load(folder)
    return str(error.value)


def test_a_folder_is_read_as_it_is_written(tmp_path: Path) -> None:
    read = load(written(tmp_path))
    assert read.apps == {"微信": App("WeChat", "social"), "weixin": App("WeChat", "social")} | {
        "wechat": App("WeChat", "social")
    }
    phone = Device("Phone", "X 12 Pro", "android", "high", 2024)
    plain = Device("Phone", "Y", "android", "low", 0)
    assert read.devices == {"phx12,1": phone, "phone x 12 pro": phone, "y1": plain, "phone y": plain}
    assert read.regions == {"北京市": "北京", "北京": "北京", "北京市朝阳区": "北京-朝阳", "北京-朝阳": "北京-朝阳"}
    assert read.keywords == (("iphone", "phone"), ("全屋定制", "renovation"), ("装修", "renovation"))
    assert read.attributes == {"age": "41", "gender": "female"}


def test_a_cell_is_in_the_district_of_its_hexagon_and_its_province_has_one_spelling(tmp_path: Path) -> None:
    cells = load(written(tmp_path)).cells
    assert cells == {
        "c-1": Cell(*MIDDLE, "国贸", "北京", frozenset({"c-2", "c-3"})),
        "c-2": Cell(40.0, 117.0, "", "北京", frozenset()),
    }


def test_a_district_is_in_the_middle_of_its_hexagons(tmp_path: Path) -> None:
    districts = load(written(tmp_path)).districts
    beside = h3.cell_to_latlng(BESIDE)
    middle = ((MIDDLE[0] + beside[0]) / 2, (MIDDLE[1] + beside[1]) / 2)
    assert districts["国贸"] == District("business", "北京", *middle)
    assert districts["回龙观"] == District("residential", "北京", *h3.cell_to_latlng(FAR))
    assert all(district in ("国贸", "") for district in (cell.district for cell in load(tmp_path).cells.values()))


@pytest.mark.parametrize("resolution", [6, 8, 10])
def test_hexagons_may_be_of_any_one_resolution(tmp_path: Path, resolution: int) -> None:
    hexagon = h3.latlng_to_cell(*MIDDLE, resolution).upper()
    read = load(written(tmp_path, districts=f"h3,district,kind,province\n{hexagon},国贸,mall,北京\n"))
    assert read.cells["c-1"].district == "国贸"


@pytest.mark.parametrize("kind", DISTRICT_KINDS)
def test_every_kind_of_district_is_known(tmp_path: Path, kind: str) -> None:
    text = f"h3,district,kind,province\n{HERE},国贸,{kind},北京\n"
    assert load(written(tmp_path, districts=text)).districts["国贸"].kind == kind


def test_columns_in_another_order_more_of_them_blanks_comments_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    text = (
        "# placeholders, all\r\n\r\ncategory, note ,app,alias\r\n social ,x, WeChat,微信 \r\n\r\nsocial,,WeChat,WeiXin"
    )
    read = load(written(tmp_path, apps=b"\xef\xbb\xbf" + text.encode()))
    assert read.apps == load(written(tmp_path)).apps


def test_the_same_row_again_does_no_harm(tmp_path: Path) -> None:
    for name, text in GOOD.items():
        rows = text.splitlines(keepends=True)
        (tmp_path / name).write_text("".join([*rows, *rows[1:]]), encoding="utf-8")
    again = load(tmp_path)
    (tmp_path / "good").mkdir()
    good = load(written(tmp_path / "good"))
    assert again.version != good.version
    assert (again.cells, again.districts, again.apps) == (good.cells, good.districts, good.apps)
    assert (again.devices, again.keywords) == (good.devices, good.keywords)


@pytest.mark.parametrize("name", ["apps", "devices", "regions", "keywords", "attributes"])
def test_a_file_that_is_not_there_is_the_default(tmp_path: Path, name: str) -> None:
    defaults = load()
    read = load(written(tmp_path, **{name: None}))
    assert getattr(read, name) == getattr(defaults, name) != {}
    assert read.version not in (defaults.version, load(written(tmp_path)).version)


def test_without_cells_and_districts_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match=r"holds no dictionary: expected any of cells.csv"):
        load(tmp_path)
    assert (load().cells, load().districts) == ({}, {})
    read = load(written(tmp_path, districts=None))
    assert (read.cells["c-1"].district, read.districts) == ("", {})


def test_the_defaults_know_the_usual_spellings() -> None:
    read = load()
    for alias in ("北京市朝阳区", "北京朝阳区", "北京市朝阳", "北京朝阳", "北京-朝阳", "北京市 朝阳区"):
        assert read.regions[alias] == "北京-朝阳"
    assert read.regions["上海市浦东新区"] == "上海-浦东"
    assert len({region for region in read.regions.values() if "-" not in region}) == 34
    assert len({region for region in read.regions.values() if "-" in region}) == 32
    assert read.apps["微信"] == read.apps["wechat"]
    assert read.devices["apple iphone 15"] == read.devices["iphone15,4"]
    assert set(read.attributes) <= set(ATTRIBUTES)
    lengths = [len(keyword) for keyword, _ in read.keywords]
    assert lengths == sorted(lengths, reverse=True)


def test_the_version_is_of_the_bytes_and_of_nothing_else(tmp_path: Path) -> None:
    version = load(written(tmp_path)).version
    assert load(tmp_path).version == version
    for name in GOOD:
        (tmp_path / "other").mkdir(exist_ok=True)
        other = written(tmp_path / "other")
        (other / name).write_bytes((tmp_path / name).read_bytes() + b"\n")
        assert load(other).version != version


CELL = "cell_id,latitude,longitude,province,neighbours\n"
DISTRICT = "h3,district,kind,province\n"
DEVICE = "alias,brand,model,os,price_band,launch_year\n"


@pytest.mark.parametrize(
    ("name", "content", "line", "expected"),
    [
        ("cells", "", 1, "a line with cell_id,latitude,longitude,province,neighbours"),
        ("cells", "# only this\n", 1, "a line with cell_id"),
        ("cells", "cell_id,latitude,longitude,province\n", 1, "each of cell_id,latitude"),
        ("apps", "alias,app,category,app\n", 1, "each of alias,app,category once"),
        ("cells", CELL + "c-1,39.9,116.4,北京,\n\nc-2,90.1,116.4,北京,\n", 4, "a number from -90 to 90"),
        ("cells", CELL + "c-1,39.9,180.1,北京,\n", 2, "a number from -180 to 180"),
        ("cells", CELL + "c-1,nan,116.4,北京,\n", 2, "a number from -90 to 90"),
        ("cells", CELL + "c-1,inf,116.4,北京,\n", 2, "a number from -90 to 90"),
        ("cells", CELL + "c-1,here,116.4,北京,\n", 2, "a number from -90 to 90"),
        ("cells", CELL + "c-1,39.9,116.4,,\n", 2, "got no province"),
        ("cells", CELL + ",39.9,116.4,北京,\n", 2, "got no cell_id"),
        ("cells", CELL + "c-1,39.9,116.4,北京\n", 2, "5 as in the header"),
        ("cells", CELL + "c-1,39.9,116.4,北京,c-2,c-3\n", 2, "5 as in the header"),
        ("cells", CELL + "c-1,39.9,116.4,北京,\nc-1,39.8,116.4,北京,\n", 3, "one meaning of each name"),
        ("districts", DISTRICT + "8831aa,国贸,mall,北京\n", 2, "an H3 cell index"),
        ("districts", DISTRICT + "x,国贸,mall,北京\n", 2, "an H3 cell index"),
        (
            "districts",
            DISTRICT + f"{HERE},国贸,mall,北京\n{h3.cell_to_parent(FAR)},回龙观,mall,北京\n",
            3,
            "8 as in the",
        ),
        ("districts", DISTRICT + f"{HERE},国贸,metro,北京\n", 2, "one of residential, new_estate"),
        ("districts", DISTRICT + f"{HERE},国贸,mall,\n", 2, "got no province"),
        ("districts", DISTRICT + f"{HERE},国贸,mall,北京\n{BESIDE},国贸,school,北京\n", 3, "one meaning of each name"),
        ("districts", DISTRICT + f"{HERE},国贸,mall,北京\n{BESIDE},国贸,mall,上海\n", 3, "one meaning of each name"),
        ("districts", DISTRICT + f"{HERE},国贸,mall,北京\n{HERE},回龙观,mall,北京\n", 3, "one meaning of each name"),
        ("apps", "alias,app,category\n微信,WeChat,\n", 2, "got no category"),
        ("apps", "alias,app,category\nwx,WeChat,social\nWX,Wix,tools\n", 3, "one meaning of each name"),
        ("apps", "alias,app,category\nwx,WeChat,social\nweixin,WeChat,chat\n", 3, "one meaning of each name"),
        ("devices", DEVICE + "a,Phone,X,android,cheap,2024\n", 2, "one of low, mid, high, premium"),
        ("devices", DEVICE + "a,Phone,X,android,low,last year\n", 2, "a whole number"),
        ("devices", DEVICE + "a,Phone,X,android,low,-1\n", 2, "a whole number"),
        ("devices", DEVICE + f"a,Phone,X,android,low,{'9' * 5000}\n", 2, "a whole number"),
        ("devices", DEVICE + "a,Phone,X,android,low,2024\nb,Phone,X,android,low,2023\n", 3, "one meaning of each name"),
        ("regions", "alias,region\n北京,北京\n北京,上海\n", 3, "one meaning of each name"),
        ("regions", "alias,region\n北京,\n", 2, "got no region"),
        ("keywords", "keyword,intent\n装修,renovation\n装修,home_purchase\n", 3, "one meaning of each name"),
        ("keywords", "keyword,intent\n装修,\n", 2, "got no intent"),
        ("attributes", "attribute,value\nshoe_size,43\n", 2, "one of age, gender"),
        ("attributes", "attribute,value\nage,38.5\n", 2, "a whole number"),
        ("attributes", "attribute,value\ngender,f\n", 2, "one of female, male"),
        ("attributes", "attribute,value\ndevice_price_band,cheap\n", 2, "one of low, mid, high, premium"),
        ("attributes", "attribute,value\nage,38\nage,39\n", 3, "one meaning of each name"),
        ("attributes", "attribute,value\nage,\n", 2, "got no value"),
        ("apps", "alias,app,category\n微信,WeChat,social\n".encode("gb18030"), 2, "UTF-8"),
        ("apps", 'alias,app,category\n"wx,WeChat,social\n', 2, "check the quotes"),
        ("apps", 'alias,app,category\n"w"x,WeChat,social\n', 2, "check the quotes"),
        ("apps", "alias,app,category\nw" + "x" * 200_000 + ",WeChat,social\n", 2, "CSV"),
    ],
)
def test_damage_is_refused_with_file_line_and_what_was_expected(
    tmp_path: Path, name: str, content: str | bytes, line: int, expected: str
) -> None:
    error = error_of(written(tmp_path, **{name: content}))
    assert error.startswith(f"{tmp_path / name}.csv, line {line}: got ")
    assert ", expected " in error
    assert expected in error
    assert len(error) < 400 + len(str(tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path / "missing").startswith(f"no such dictionary folder: {tmp_path / 'missing'}; expected ")


texts = st.text(alphabet=',"\n\r #\x00ac-1289.fé北', max_size=60)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(GOOD)), st.booleans(), st.binary(max_size=60) | texts.map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path: Path, name: str, header: bool, content: bytes) -> None:
    start = GOOD[name].partition("\n")[0].encode() + b"\n" if header else b""
    with suppress(DictionaryError):
        load(written(tmp_path, **{name.removesuffix(".csv"): start + content}))
