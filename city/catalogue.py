"""What can be used, owned and searched for in the city, each in its one name and in the variants people and probes
write. Brands are invented.
"""

from __future__ import annotations

from typing import NamedTuple


class App(NamedTuple):
    """An app or site: its name, content category, host, and other spellings of the name."""

    name: str
    category: str
    host: str
    variants: tuple[str, ...] = ()


class Device(NamedTuple):
    """A model of phone: brand, model, operating system, price band, launch year, and other spellings of the model."""

    brand: str
    model: str
    os: str
    price_band: str
    launch_year: int
    variants: tuple[str, ...] = ()


class Region(NamedTuple):
    """A region in its one spelling, and others."""

    name: str
    variants: tuple[str, ...]


class Intent(NamedTuple):
    """An intent, the category its flows belong to, the words that show it, and what may stand around them."""

    name: str
    category: str
    words: tuple[str, ...]
    around: tuple[str, ...]


_NAMES: dict[str, str] = {
    "video": "Lanbo 蓝波视频,Duanhe 短河,Moonreel 月卷,Xingying 星映",
    "music": "Yinlu 音鹿,Hummingo 哼歌,Tingfeng 听枫",
    "games": "Jianhe 剑河,Blockaroo 方块屋,Saishan 赛山,Nongwan 农湾",
    "news": "Xinjian 新笺,Dailylark 云雀日报,Jinwen 今闻",
    "finance": "Gulan 股览,Coinpurse 小荷包,Jijin 基金桥",
    "property": "Anjiawu 安家屋,Loufang 楼访,Homeswan 天鹅找房",
    "cars": "Cheping 车评台,Autoyard 汽车园,Maiche 买车通",
    "renovation": "Jiazhuang 家装坊,Designnest 巢设计,Haozhuang 好装",
    "shopping": "Taoyuan 桃园购,Basketeer 篮集商城,Pinhao 拼好集,Youxuan 优选铺",
    "social": "Liaotian 聊田,Ringlet 小圈,Pengyou 朋友湾",
    "travel": "Lvtu 旅兔,Cloudskip 云跳,Chuxing 出行桥",
    "sports": "Paobu 跑步岛,Courtlark 场边,Qiumi 球谜",
    "tools": "Tianqi 天气盒,Seekling 寻寻,Ditu 地图伞",
}
_CAR_BRANDS = {"lingchi": "凌驰", "aurovia": "奥罗维", "beiyao": "北曜汽车", "tessaro": "特萨罗"}


def _app(category: str, both: str) -> App:
    latin, chinese = both.split()
    spellings = (f"{latin.upper()} App", f"{latin}-Mobile", f"com.{latin.lower()}.app")
    return App(chinese, category, f"{latin.lower()}.example", (latin, *spellings))


APPS: tuple[App, ...] = (
    *(_app(category, both) for category, listed in _NAMES.items() for both in listed.split(",")),
    *(
        App(f"{name}官网", "cars", f"{brand}.example", (f"{brand.title()} Official", f"www.{brand}.example"))
        for brand, name in _CAR_BRANDS.items()
    ),
)
"""All apps: those of one category side by side, in the order of CATEGORIES, then the car brands' own sites."""

CATEGORIES: tuple[str, ...] = tuple(_NAMES)
"""Content categories; ``tools`` is nobody's interest."""

INTENTS: tuple[Intent, ...] = (
    Intent(
        "home_purchase",
        "property",
        ("二手房", "新房", "购房资格", "首付", "房贷利率", "学区房"),
        ("", " 朝阳", " 价格"),
    ),
    Intent("home_rental", "property", ("租房", "整租", "合租"), ("", " 地铁", " 两居")),
    Intent(
        "renovation",
        "renovation",
        ("全屋定制", "装修", "橱柜", "木地板", "瓷砖"),
        ("", " 预算10万", " 预算20万", " 哪家好"),
    ),
    Intent("travel", "travel", ("机票", "酒店", "签证", "自由行"), ("", " 特价", " 攻略")),
    Intent("plan_upgrade", "tools", ("流量套餐", "宽带办理", "5g套餐"), ("", " 优惠", " 办理")),
    *(
        Intent(f"car_{brand}", "cars", (name, brand), ("", " 报价", " 试驾", " 落地价"))
        for brand, name in _CAR_BRANDS.items()
    ),
)
"""Intents; each word belongs to one of them."""

CHATTER: tuple[str, ...] = ("天气预报", "红烧肉做法", "今日新闻", "how to tie a tie", "成语接龙", "日历", "放假安排")
"""Searches that show no intent."""

DEVICES: tuple[Device, ...] = (
    Device("Nuvoro", "Nuvoro N5", "Android 12", "low", 2021, ("NUVORO-N5", "nuvoro n5 dual")),
    Device("Nuvoro", "Nuvoro N8 Plus", "Android 14", "mid", 2023, ("NUVORO-N8+", "Nuvoro N8Plus")),
    Device("Hualin", "Hualin 9A", "Android 11", "low", 2020, ("HUALIN-9A", "华霖 9A")),
    Device("Hualin", "Hualin Note 14", "Android 15", "mid", 2025, ("HL-NOTE14", "华霖 Note 14")),
    Device("Hualin", "Hualin Ultra 3", "Android 15", "premium", 2025, ("HL-ULTRA3", "华霖 Ultra3")),
    Device("Oriq", "Oriq Rill Lite", "Android 13", "mid", 2022, ("ORIQ RILL-LITE", "oriq rill-lite 5g")),
    Device("Oriq", "Oriq Fern 7", "Android 15", "high", 2024, ("ORIQ-FERN7", "Oriq Fern7 5G")),
    Device("Pomelo", "Pomelo Phone 13", "pOS 18", "high", 2022, ("Pomelo13,1", "柚子手机 13")),
    Device("Pomelo", "Pomelo Phone 16 Pro", "pOS 19", "premium", 2024, ("Pomelo16,2", "柚子手机 16 Pro")),
    Device("Zenari", "Zenari Z2", "Android 10", "low", 2019, ("ZENARI-Z2", "zenari z2 (2019)")),
    Device("Zenari", "Zenari Fold X", "Android 15", "premium", 2025, ("ZENARI-FOLDX", "Zenari FoldX 512G")),
    Device("Vexo", "Vexo V30", "Android 14", "mid", 2024, ("VEXO-V30", "vexo v30 5g")),
)
"""All phones."""

REGIONS: tuple[Region, ...] = tuple(
    Region(f"{city}-{part}", (f"{city}市{part}区", f"{city} {part}区", f"{city}市-{part}", f"{city}{part}"))
    for city, parts in {
        "北京": "朝阳 海淀 丰台 通州 昌平 大兴",
        "上海": "浦东 徐汇 闵行",
        "广州": "天河 番禺 白云",
    }.items()
    for part in parts.split()
)
"""Home regions."""

GENDERS: tuple[str, ...] = ("", "female", "male")
"""As the registration feed numbers them; empty is not said."""

OCCUPATIONS: tuple[str, ...] = ("", "engineer", "teacher", "nurse", "driver", "clerk", "merchant", "student", "retired")
"""Occupations; empty is not said."""

PLANS: tuple[tuple[str, float, float], ...] = (
    ("basic", 39.0, 3_000.0),
    ("standard", 79.0, 6_000.0),
    ("plus", 129.0, 12_000.0),
    ("premium", 199.0, 24_000.0),
)
"""Plan tiers: name, yuan a month, megabytes included: in proportion to what the city browses, about 3,000 a month."""

PRODUCTS: tuple[tuple[str, float], ...] = (
    ("traffic_pack_10g", 15.0),
    ("traffic_pack_30g", 30.0),
    ("video_pass", 12.0),
    ("music_pass", 9.0),
    ("broadband_300m", 60.0),
    ("family_plan", 49.0),
    ("roaming_day_pass", 25.0),
)
"""Products that can be ordered and offered: name, yuan."""

CHANNELS: tuple[str, ...] = ("sms", "push", "call", "popup")
"""Ways to reach a person, numbered from 1 in the contact feed."""

PURPOSES: tuple[str, ...] = ("marketing", "profiling", "location_services", "social_analysis", "credit_risk")
"""Optional purposes of consent."""
