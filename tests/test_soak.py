"""The long form of the promises goes on with fresh dice, and stops where one does not hold."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import soak
from tests.test_docs import PROMISES, rows

TRIED = """\
import pytest

from tests.trials import SEED, dice, trials


@pytest.mark.promise(number=99)
def test_chance(record_property):
    record_property("throws", trials(2))
    record_property("chance", int(dice("a").random() == dice("a").random() != dice("b").random()))
    assert SEED != 7
"""
WALKS = set(range(23, 32))
"""Promises of security walk over everything there is (routes, fields, addresses): more trials would be the same ones again."""


@pytest.fixture
def tests_of_99(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_chance.py").write_text(TRIED)
    monkeypatch.setattr(soak, "TESTS", tmp_path)


def test_a_soak_goes_on_with_fresh_seeds_stops_at_a_failure_and_says_how_to_repeat_it(
    tests_of_99: None,
) -> None:
    done = CliRunner().invoke(soak.main, ["--minutes", "1", "--seed", "6", "--times", "10"])
    assert done.exit_code == 1
    assert re.findall(r"P99 +seed (\d+)", done.output) == ["6", "7"]
    assert "assert 7 != 7" in done.output
    assert "Again: ./dev soak --promise 99 --seed 7 --times 10" in done.output
    assert "20 throws, 1 chance" in done.output, "what was tried before"
    kept = re.search(r"Everything is kept in (\S+)", done.output)
    assert kept is not None
    assert (Path(kept[1]) / "output.txt").is_file()
    shutil.rmtree(kept[1])


def test_a_promise_without_tests_is_told_apart_from_one_that_holds(tests_of_99: None) -> None:
    done = CliRunner().invoke(soak.main, ["--promise", "98"])
    assert done.exit_code == 2
    assert "no test is marked with promise 98; these are: 99" in done.output


def test_every_kept_promise_with_chance_in_it_has_a_long_form() -> None:
    kept = {
        int(cells[0].split()[0][1:]) for cells in rows(PROMISES) if cells[0][0] == "P" and cells[1] == "kept"
    }
    assert kept - WALKS - set(soak.promises()) == set()
