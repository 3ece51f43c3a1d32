"""A run with --media-position: recorded, part of the plan, and never another prompt's answers."""

from __future__ import annotations

from engine.worlds import World, read_run, records_of


def test_media_moved_in_a_run(world: World) -> None:
    written = world.evaluate()
    moved = world.evaluate(media_position="first", prompt_style="mio-instruct", limit=3)
    last = world.evaluate(media_position="last", limit=3)
    assert len({written.path, moved.path, last.path}) == 3
    prompts = [read_run(run.path)["tasks"]["captions"]["prompt"] for run in (written, moved, last)]
    assert prompts == [
        "{image}\nDescribe this image in one sentence.",
        "{image}{separator}Provide a one-sentence caption for the provided image.",
        "Describe this image in one sentence.{separator}{image}",
    ]
    shown = [next(iter(records_of(run.path).values()))["prompt"] for run in (written, moved, last)]
    assert [[next(iter(part)) for part in parts] for parts in shown] == [
        ["image", "text"],
        ["image", "text"],
        ["text", "image"],
    ]
    assert not any(r["timing"]["cached"] for r in records_of(last.path).values())
    assert read_run(last.path)["options"]["media_position"] == "last"
