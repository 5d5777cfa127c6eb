import msgspec

from jobs.core.operations.operations_reading import RedKind
from jobs.core.operations.page_content import page_content
from tests.support.readings import failure, model_reading, reading, red, worker_reading


def test_red_stands_above_amber_and_is_counted() -> None:
    things = [red(RedKind.PAUSED, "olga paused echo."), red(RedKind.NO_WORKER, "10 jobs wait.", model="echo")]
    content = page_content(reading(red=things))
    assert [line.text for line in content.red] == ["10 jobs wait.", "olga paused echo."]
    assert (content.verdict, content.level) == ("1 red, 1 amber", "red")


def test_without_trouble_it_says_so() -> None:
    content = page_content(reading())
    assert (content.verdict, content.level) == ("Nothing is red", "good")


def test_a_line_keeps_its_key_while_its_figures_change() -> None:
    before, after = (
        page_content(reading(red=[red(RedKind.DEAD_LETTERS, text, model="echo", fingerprint="f")])).red
        for text in ("12 dead letters", "13 dead letters")
    )
    assert before[0].key == after[0].key
    other = page_content(reading(red=[red(RedKind.DEAD_LETTERS, "1", model="echo", fingerprint="g")])).red
    assert other[0].key != before[0].key


def test_tiles_are_of_all_models_together() -> None:
    # Its dead letters are of more groups than are shown.
    models = [model_reading(failures=[failure()], dead_letters=1_300), model_reading("minilm", in_per_s=None)]
    workers = [worker_reading(), worker_reading("gpu-1@host", alive=False)]
    content = page_content(reading(models=models, workers=workers))
    assert {tile.title: tile.text for tile in content.tiles} == {
        "waiting": "20", "oldest": "1 min 15 s", "in": "30.0/s", "out": "59.0/s", "in flight": "62 jobs",
        "workers": "1, 1 silent", "dead letters": "1,300",
    }  # fmt: skip


def test_charts_get_a_point_of_each_model_and_of_all() -> None:
    content = page_content(reading(models=[model_reading(), model_reading("new", newest=None)]))
    assert content.points[""] == content.points["echo"] == (1_795_966_200, 30.0, 29.0, 7, 0.06, 0.19, 1.25)
    assert "new" not in content.points
    assert content.stages == {name: [("run", 0.06, 0.19, 1.25)] for name in ("echo", "new")}


def test_a_large_platform_is_a_moderate_message() -> None:
    models = [model_reading(f"model-{number}", failures=[failure()]) for number in range(50)]
    assert len(msgspec.json.encode(page_content(reading(models=models)))) < 150_000
