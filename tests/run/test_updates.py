"""Past rounds: read and written, labelled, and left out where they would be the answer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from strop.errors import CorruptPartError, UsageError
from strop.run.updates import (
    Update,
    default_trainer_label,
    labels_of,
    of_courses,
    pool_of_gaps,
    pool_of_pilots,
    read,
    relevant,
    shipped,
    write,
)

UPDATE = Update("m", "arithmetic:hard", "mc@quantile:0.7", "rft", 0.2, 0.1, 0.1, 0.02, 0.01, 0.07)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write([UPDATE], tmp_path / "updates.csv")
    [found] = read(tmp_path / "updates.csv")
    assert (found.gap, found.pilot, found.task) == (0.2, 0.07, "arithmetic:hard")
    assert math.isnan(found.pilot_se), "unknown stays unknown"


def test_files_of_earlier_versions_have_fewer_columns(tmp_path: Path) -> None:
    file = tmp_path / "updates.csv"
    file.write_text("model,task,filter,method,gap,gain,eps_update\nm,signs,mc,rft,0.2,0.1,0.1\n")
    [found] = read(file)
    assert found.gain == 0.1 and math.isnan(found.pilot) and found.trainer == ""


@pytest.mark.parametrize(
    "text", ["nonsense", "model,task\nm,t\n", "model,task,filter,method,gap\n1"]
)
def test_a_changed_file_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "updates.csv"
    file.write_text(text)
    if text == "nonsense":
        assert read(file) == ()  # a head without rows
        return
    with pytest.raises(CorruptPartError, match="cannot be read"):
        read(file)


def test_a_folder_without_a_finished_round_is_named(tmp_path: Path) -> None:
    (tmp_path / "improve.json").write_text(json.dumps({"rounds": [{}]}))
    with pytest.raises(UsageError, match="expected a folder in which"):
        of_courses([tmp_path])


def test_the_pair_itself_and_other_methods_are_left_out() -> None:
    others = relevant([UPDATE], "m", "arithmetic:hard", "rft")
    assert others == [] and relevant([UPDATE], "m", "signs", "rpo") == []
    assert relevant([UPDATE], "m", "signs", "rft") == [UPDATE]


def test_labels_tell_difficulties_families_and_trainers_apart() -> None:
    labels = labels_of("./folder", "arithmetic:hard", "mc@quantile:0.7", "lr 1e-05")
    assert (labels["task"], labels["setting"]) == ("arithmetic", "arithmetic:hard")
    assert labels["family"] == "other"
    assert labels_of("ladder/25k", "signs", "mc", "")["family"] == "embedded"


def test_only_rounds_with_a_pilot_say_how_pilots_scale() -> None:
    plain = Update("n", "signs", "mc", "rft", 0.2, 0.0, 0.2)
    assert len(pool_of_gaps([UPDATE, plain]).cells) == 2
    assert len(pool_of_pilots([UPDATE, plain]).cells) == 1


def test_the_package_holds_updates_of_its_models() -> None:
    updates = shipped()
    assert len(updates) > 100
    assert {update.method for update in updates} == {"rft"}
    assert all(abs(update.gap - update.gain - update.eps_update) < 1e-9 for update in updates)
    assert default_trainer_label(embedded=True) in {update.trainer for update in updates}
