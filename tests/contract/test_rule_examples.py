"""The rules in the documents can be used, and the mistakes they show are said as they show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from livetags.checked_rules import RulesRefused, checked_rules
from schemas.settings import Settings
from schemas.trigger_rule import Shape, TriggerRule

ROOT = Path(__file__).parents[2]
_BROKEN = "<!-- broken.yaml -->\n"
_BLOCK = re.compile(rf"((?:{_BROKEN})?)```yaml\n(.*?)```\n", re.DOTALL)
BLOCKS = [
    (file.name, bool(mark), text)
    for file in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    for mark, text in _BLOCK.findall(file.read_text())
]
GOOD = [(name, text) for name, broken, text in BLOCKS if not broken]


@pytest.mark.parametrize(("name", "text"), GOOD, ids=[f"{name}-{number}" for number, (name, _) in enumerate(GOOD)])
def test_an_example_can_be_used(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert checked_rules([file], Settings())


def test_the_guide_has_every_shape_and_every_field(tmp_path: Path) -> None:
    rules = []
    for number, (_, text) in enumerate(GOOD):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        rules += [each.rule for each in checked_rules([file], Settings())]
    assert {rule.shape for rule in rules} == set(get_args(Shape))
    guide = (ROOT / "docs" / "rules.md").read_text()
    for field in TriggerRule.model_fields:
        assert re.search(rf"`{field}\b|^{field}:", guide, re.MULTILINE), f"docs/rules.md does not mention {field}"


def test_the_mistakes_are_said_as_the_guide_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [(_, _, text)] = [block for block in BLOCKS if block[1]]
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text(text)
    with pytest.raises(RulesRefused) as refused:
        checked_rules([Path("broken.yaml")], Settings())
    guide = (ROOT / "docs" / "rules.md").read_text()
    [shown] = re.findall(r"`livetags rules check broken.yaml` says:\n\n```\n(.*?)```", guide, re.DOTALL)
    assert shown == f"{refused.value}\n"
