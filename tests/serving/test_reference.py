from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_refusal_of_a_service_is_documented() -> None:
    source = "".join((ROOT / "src/lineal/serving" / name).read_text() for name in ("requests.py", "service.py"))
    raised = set(re.findall(r'kind="([a-z-]+)"', source)) | set(re.findall(r'"kind": "([a-z-]+)"', source)) | {"model-refused"}
    documented = set(re.findall(r"^\| `([a-z-]+)` \| [0-9, ]+ \|", (ROOT / "docs/reference/service.md").read_text(), re.MULTILINE))
    assert raised == documented
