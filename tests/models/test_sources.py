"""What is shipped says where it comes from, and under which licence."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from madelung.models.card import read_card
from madelung.models.shipped import SHIPPED_MODELS, model_folder


@pytest.mark.parametrize("name", [model.name for model in SHIPPED_MODELS])
def test_a_card_states_the_source_of_its_data(name: str) -> None:
    folder, _ = model_folder(name)
    training = read_card(folder).training
    for fact in ("dataset", "licence", "source", "fingerprint"):
        assert training[fact]


def test_the_table_of_elements_has_its_permission_text() -> None:
    content = json.loads((files("madelung.models") / "element_features.json").read_text("utf-8"))
    assert "MIT licence, Copyright (c) 2018 Tian Xie" in content["source"]
    assert content["licence"].startswith("Permission is hereby granted, free of charge")
    assert "shall be included in all copies" in content["licence"]
