"""`plan`, `quota`, the day's screen and the forecasts in `status`: the same figures, each with whom it comes from."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.cli.main import run
from qcqueue.queue.forecasts import ForecastLine, note_forecasts
from tests.cli.queues import House, a_job, apply, attend, finish, pretend_images, put, take, train
from tests.cli.test_imports import heavy, imported_by
from tests.providers.programs import KaggleProgram, rows

Answer = Callable[..., str]
HOUR_S, DAY_S = 3600.0, 86_400.0
LABELS = {"profile", "your history", "you said"}


def document(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["schema_version"] == 1
    return found


def row(said: str, name: str) -> str:
    (found,) = (line for line in said.splitlines() if line.startswith(f"{name} "))
    return found


@pytest.fixture
def colab(empty_house: House, monkeypatch: pytest.MonkeyPatch) -> QueueContext:
    """A queue of three jobs that take hours, whose sessions are Colab's."""
    monkeypatch.setenv("QCQUEUE_PROFILE", "colab-free")
    place = empty_house.queue
    pretend_images(place, 2200)
    models = ("VGG16", "Xception", "InceptionResNetV2")
    put(place, *(a_job(model.lower(), model=model, epochs=400, seed=seed) for seed, model in enumerate(models)))
    return place


# plan


def test_a_plan_has_a_row_for_every_job_and_one_for_all(colab: QueueContext, answer: Answer) -> None:
    said = answer("plan")
    assert said.startswith("tiny: 3 jobs, about ")
    assert "of training left on Tesla T4 (estimated).\n" in said
    assert "JOB" in said
    assert "50 % BY" in said
    assert re.search(r" 400 +\d+ +.* estimated from 14\.7 M parameters on Tesla T4$", row(said, "tiny/vgg16"))
    assert re.match(r"all +.* 1200 +\d+ +(\w| )+\d", row(said, "all"))
    assert said.splitlines()[-1] == "next: qcqueue work"


def test_whatever_a_plan_says_below_its_table_is_labelled(colab: QueueContext, answer: Answer) -> None:
    said = answer("plan").split("\n\n")[2].splitlines()
    assert said[0] == "A session lives 1 h 00 min to 5 h 00 min, likely 2 h 00 min (profile)."
    assert said[1].startswith("A GPU can be had now: nothing shows that the GPU is away")
    for sentence in said[:-1]:
        assert any(f"({label}" in sentence or f"and {label})" in sentence for label in LABELS), sentence
    assert said[-2] == (
        "All dates are forecasts (profile) and assume that the notebook is opened whenever a GPU is to be had."
    )


def test_a_plan_of_a_long_queue_says_on_how_little_its_dates_rest(colab: QueueContext, answer: Answer) -> None:
    put(colab, *(a_job(f"more-{number}", epochs=40, seed=number + 10) for number in range(60)))
    assert "All dates are forecasts (profile) from no more than 20 possible courses and assume" in answer("plan")
    assert document(answer("plan --json"))["worlds"] == 20


def test_one_s_own_history_takes_the_place_of_the_profile(colab: QueueContext, answer: Answer) -> None:
    for day in range(8, 2, -1):
        attend(colab, "tiny/vgg16", 9 - day, ago_s=day * DAY_S, held_s=3 * HOUR_S)
    attend(colab, "tiny/vgg16", 7, ago_s=4 * HOUR_S, held_s=3 * HOUR_S, pace={"lag_s": 9.0})
    said = answer("plan")
    assert re.search(r"A session lives .* \(your history, with 7 sessions of yours\)\.", said)
    assert re.search(r"A GPU comes back likely (today|tomorrow) \d\d:\d\d, between .* \(your history\)\.", said)
    assert row(said, "tiny/vgg16").endswith(" measured")
    assert "(your history) and assume" in said
    assert "next: qcqueue plan --ics come-back.ics" in said


def test_the_document_holds_what_the_screen_shows(colab: QueueContext, answer: Answer) -> None:
    put(colab, a_job("late", epochs=400, seed=9, deadline_s=colab.clock.now_s() + 60.0))
    found = document(answer("plan --json"))
    assert [job["name"] for job in found["jobs"]] == [
        "tiny/vgg16",
        "tiny/xception",
        "tiny/inceptionresnetv2",
        "tiny/late",
    ]
    for job in found["jobs"]:
        assert job["left_s"] == pytest.approx(job["epoch_s"] * job["epochs_left"])
        assert job["basis"] == "estimated"
        assert found["as_of"] < job["done_by"]["p10"] <= job["done_by"]["p50"] <= job["done_by"]["p90"]
        assert job["sessions"] >= 1
    assert found["all"]["done_by"]["p50"] == max(job["done_by"]["p50"] for job in found["jobs"])
    assert found["all"]["left_s"] == pytest.approx(sum(job["left_s"] for job in found["jobs"]))
    assert found["studies"] == [{"study": "tiny", "done_by": found["all"]["done_by"]}]
    assert found["session_lives"] == {
        "low_s": pytest.approx(HOUR_S),
        "likely_s": pytest.approx(2 * HOUR_S),
        "high_s": pytest.approx(5 * HOUR_S),
        "basis": "profile",
    }
    assert found["sessions_seen"] == 0
    assert found["next_gpu"] is None
    assert found["deadlines"]["likely_missed"] == ["tiny/late"]
    assert (found["profile"], found["processor"]) == ("colab-free", {"name": "Tesla T4", "is_gpu": True})


def test_two_plans_of_one_queue_agree(colab: QueueContext, answer: Answer) -> None:
    one, two = (document(answer("plan --json")) for _ in range(2))
    assert one["all"]["sessions"] == two["all"]["sessions"]
    assert one["all"]["held_s"] == two["all"]["held_s"]
    assert [job["sessions"] for job in one["jobs"]] == [job["sessions"] for job in two["jobs"]]


def test_a_plan_says_what_two_jobs_a_session_would_save(colab: QueueContext, answer: Answer) -> None:
    said = answer("plan")
    found = document(answer("plan --json"))
    saves = found["saves"]["two_jobs"]
    assert saves["sessions"] < found["all"]["sessions"]
    assert f"With --jobs 2 it would take about {saves['sessions']} sessions to open instead of " in said
    assert "--jobs 2" not in answer("plan --jobs 2")
    assert document(answer("plan --jobs 2 --json"))["all"]["sessions"] <= saves["sessions"] + 1
    assert document(answer("plan --jobs 0 --json"))["jobs_per_session"] is None


def test_a_plan_says_which_job_a_cpu_could_take_off_the_gpu(colab: QueueContext, answer: Answer) -> None:
    saves = document(answer("plan --json"))["saves"]["cpu"]
    assert saves["job"] == "tiny/inceptionresnetv2"
    assert saves["saved_s"] >= HOUR_S
    said = answer("plan")
    assert "A session without a GPU beside them could train tiny/inceptionresnetv2 in about " in said
    assert " (estimated from 54.3 M parameters on a CPU): all would likely be done by " in said


def test_a_job_that_has_begun_or_must_have_a_gpu_is_not_for_a_cpu(colab: QueueContext, answer: Answer) -> None:
    attend(colab, "tiny/inceptionresnetv2", 1, ago_s=9 * DAY_S, held_s=60.0)
    put(colab, a_job("big", model="InceptionResNetV2", epochs=400, device="gpu", seed=9))
    saves = document(answer("plan --json"))["saves"]["cpu"]
    assert saves is None or saves["job"] in ("tiny/vgg16", "tiny/xception")


def test_what_is_not_part_of_a_plan_is_said(colab: QueueContext, answer: Answer) -> None:
    apply(colab, "xception", "hold")
    said = answer("plan")
    assert "tiny/xception" not in said
    assert "Not part of this: 1 held.\n" in said


def test_deadlines_that_are_in_danger_are_named(colab: QueueContext, answer: Answer) -> None:
    now_s = colab.clock.now_s()
    put(
        colab,
        a_job("late", epochs=400, seed=8, deadline_s=now_s + 60),
        a_job("fine", seed=9, deadline_s=now_s + 90 * DAY_S),
    )
    said = answer("plan")
    assert "tiny/late will likely miss its deadline, to" in said
    assert " (you said).\n" in said
    assert "tiny/fine will" not in said


def test_several_studies_are_told_apart(colab: QueueContext, answer: Answer) -> None:
    put(colab, a_job("vgg16", study="other", epochs=800))
    said = answer("plan")
    assert said.startswith("2 studies: 4 jobs, ")
    assert row(said, "other in all")
    assert row(said, "tiny in all")
    assert {it["study"] for it in document(answer("plan --json"))["studies"]} == {"tiny", "other"}


def test_past_forecasts_are_counted(colab: QueueContext, answer: Answer) -> None:
    assert "No forecast has been put to the test yet (your history)." in answer("plan")
    held = attend(colab, "tiny/vgg16", 1, ago_s=3 * DAY_S, held_s=2 * HOUR_S)
    came_s = colab.clock.now_s() - 3 * DAY_S
    foresee(colab, held.session_id, None, made_at_s=came_s, ranges_s=[(1.0, 2.0, 9.0), (3.0, 4.0, 9.0)])
    said = answer("plan")
    assert "1 of 2 past forecasts fell inside their ranges; 80 % are meant to (your history)." in said
    assert document(answer("plan --json"))["past_forecasts"] == {"judged": 2, "inside": 1}


def test_past_forecasts_are_counted_also_once_all_is_done(
    colab: QueueContext, capfd: pytest.CaptureFixture[str], answer: Answer
) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=3 * DAY_S, held_s=2 * HOUR_S)
    foresee(colab, held.session_id, None, made_at_s=colab.clock.now_s() - 3 * DAY_S, ranges_s=[(1.0, 2.0, 9.0)])
    for name in ("vgg16", "xception", "inceptionresnetv2"):
        apply(colab, name, "cancel")
    assert document(answer("plan --json", code=7))["past_forecasts"] == {"judged": 1, "inside": 1}
    capfd.readouterr()
    run(["plan"])
    assert capfd.readouterr().err.splitlines() == [
        "nothing is left to train",
        "1 of 1 past forecast fell inside its range; 80 % are meant to (your history)",
        "next: qcqueue",
    ]


def test_on_a_machine_of_one_s_own_nothing_is_said_of_gpus_that_come_and_go(house: House, answer: Answer) -> None:
    said = answer("plan")
    assert "Nothing is known to end a session (profile)." in said
    assert "A GPU" not in said
    assert row(said, "tiny/queued").endswith(" measured in tiny/done")
    found = document(answer("plan --json"))
    assert found["session_lives"] is None
    assert found["saves"] == {"two_jobs": None, "cpu": None}


def test_where_nothing_is_left_there_is_nothing_to_plan(
    empty_house: House, capfd: pytest.CaptureFixture[str], answer: Answer
) -> None:
    for typed in ("plan", "plan --json", "plan --ics come-back.ics"):
        capfd.readouterr()
        assert run(typed.split()) == 7
        said, told = capfd.readouterr()
        assert told == "nothing is left to train\nnext: qcqueue\n"
        assert (document(said)["jobs"] if "--json" in typed else said) in ([], "")
    put(empty_house.queue, a_job("vgg16"))
    held = take(empty_house.queue, "tiny/vgg16")
    finish(empty_house.queue, held, train(empty_house.queue, held, 1, 2, 3))
    answer("plan", code=7)
    assert not (empty_house.folder / "come-back.ics").exists()


def test_a_job_whose_epochs_are_all_trained_still_needs_a_session(colab: QueueContext, answer: Answer) -> None:
    put(colab, a_job("nearly", seed=9))
    attend(colab, "tiny/nearly", 1, 2, 3, ago_s=DAY_S, held_s=HOUR_S)
    found = {job["name"]: job for job in document(answer("plan --json"))["jobs"]}
    assert (found["tiny/nearly"]["epochs_left"], found["tiny/nearly"]["sessions"]) == (0, 1)
    assert found["tiny/nearly"]["done_by"] is not None


def test_plan_and_quota_change_nothing(house: House, answer: Answer) -> None:
    before = house.fingerprint()
    for typed in ("plan", "plan --json", "quota", "quota --json", ""):
        answer(typed)
    assert house.fingerprint() == before


def test_what_looks_ahead_imports_nothing_heavy(house: House) -> None:
    assert heavy(imported_by(house, "plan", "quota", "", "why queued")) == {}


@pytest.mark.parametrize(
    ("typed", "said"), [("plan --jobs -1", "--jobs -1 is not a number of jobs"), ("plan --jobs x", "'x'")]
)
def test_what_makes_no_sense_is_refused(typed: str, said: str, house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(typed.split()) == 2
    assert said in capfd.readouterr().err


# plan --ics


def test_the_calendar_entry_is_for_the_next_likely_window(colab: QueueContext, answer: Answer) -> None:
    attend(colab, "tiny/vgg16", 1, ago_s=3 * HOUR_S, held_s=2 * HOUR_S)
    found = document(answer("plan --ics come-back.ics --json"))
    text = Path("come-back.ics").read_text()
    likely = re.sub(r"[-:]|\.\d+", "", found["next_gpu"]["likely"])
    assert f"DTSTART:{likely}\n" in text
    first = re.search(r"UID:(.*)\n", text)
    answer("plan --ics come-back.ics")
    second = re.search(r"UID:(.*)\n", Path("come-back.ics").read_text())
    assert first
    assert second
    assert first[1] == second[1]


def test_the_calendar_entry_is_for_now_where_a_gpu_can_be_had_now(colab: QueueContext, answer: Answer) -> None:
    assert "written: here.ics" not in answer("plan --ics here.ics")
    assert "A GPU can be had now" in Path("here.ics").read_text().replace("\n ", "")


def test_a_file_that_is_somebody_else_s_is_not_replaced(
    colab: QueueContext, empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = empty_house.write("mine.ics", "BEGIN:VCALENDAR\r\nPRODID:-//somebody//EN\r\nEND:VCALENDAR\r\n")
    before = mine.read_bytes()
    assert run(["plan", "--ics", "mine.ics"]) == 2
    out, err = capfd.readouterr()
    assert (out, mine.read_bytes()) == ("", before)
    assert "mine.ics exists and is no calendar of qcqueue" in err
    for there in (".", "no-such-folder/x.ics"):
        assert run(["plan", "--ics", there]) == 2


def test_where_nothing_keeps_a_gpu_away_there_is_no_entry(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--ics", "x.ics"]) == 2
    assert "nothing is known to keep a GPU away (A machine of your own)" in capfd.readouterr().err
    assert not (house.folder / "x.ics").exists()


# quota


def test_quota_says_whose_limits_count_and_why(
    colab: QueueContext, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer("quota").startswith("Google Colab, free: profile colab-free, named in your settings.\n")
    monkeypatch.delenv("QCQUEUE_PROFILE")
    assert "profile local, as this machine is, because no session has come yet" in answer("quota")
    attend(colab, "tiny/vgg16", ago_s=DAY_S, held_s=60.0, profile="kaggle")
    said = answer("quota")
    assert "Kaggle notebooks: profile kaggle, that of the newest session of this queue." in said
    assert "`kaggle quota`" in said


def test_quota_labels_every_figure_and_says_how_it_was_found(colab: QueueContext, answer: Answer) -> None:
    attend(colab, "tiny/vgg16", 1, ago_s=3 * HOUR_S, held_s=2 * HOUR_S)
    said = answer("quota")
    assert re.search(r"^used +2 h 00 min in 1 day +your history$", said, re.MULTILINE)
    assert re.search(r"^left +0 s to 3 h 00 min, likely 0 s +profile$", said, re.MULTILINE)
    returns = r"^a GPU +comes back likely (today|tomorrow) \d\d:\d\d, between .* and .* +profile$"
    assert re.search(returns, said, re.MULTILINE)
    assert re.search(r"^cool-off +12 h 00 min to 2 days, likely 22 h 00 min +profile$", said, re.MULTILINE)
    assert "Sessions of this queue held a GPU for 2 h 00 min of the last 24 h" in said
    assert re.search(r"^ceiling +12 h +profile +2026-11-23 +published +Colab's FAQ", said, re.MULTILINE)
    assert said.endswith("next: qcqueue plan\n")


def test_a_figure_of_one_s_own_is_labelled_as_said(colab: QueueContext, empty_house: House, answer: Answer) -> None:
    empty_house.write(
        "config/qcqueue/profiles.toml", "[colab-free.session]\nlow_hours = 3\nlikely_hours = 4\nhigh_hours = 5\n"
    )
    said = answer("quota")
    assert re.search(r"^session +3 to 5 h, likely 4 h +you said", said, re.MULTILINE)
    assert re.search(r"^left +3 h 00 min to 5 h 00 min, likely 4 h 00 min +you said$", said, re.MULTILINE)
    assert "A session lives 3 h 00 min to 5 h 00 min, likely 4 h 00 min (you said)." in answer("plan")
    assert "(profile and you said) and assume" in answer("plan")


def test_quota_as_json_has_every_figure_with_its_basis(colab: QueueContext, answer: Answer) -> None:
    attend(colab, "tiny/vgg16", 1, ago_s=3 * HOUR_S, held_s=2 * HOUR_S)
    found = document(answer("quota --json"))
    for name in ("used", "left", "returns", "cool_off"):
        assert found[name]["basis"] in LABELS
        assert found[name]["because"].endswith(".")
    assert found["used"]["seconds"] == pytest.approx(2 * HOUR_S)
    assert found["used"]["period_s"] == DAY_S
    assert set(found["returns"]["at"]) == {"low", "likely", "high", "basis"}
    assert found["held_by"] is None
    assert [it["name"] for it in found["figures"]] == ["session", "ceiling", "cool_off"]
    assert found["profile"]["because"] == "named in your settings"


def test_while_a_session_holds_a_gpu_the_next_one_comes_after_its_end(colab: QueueContext, answer: Answer) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=HOUR_S)
    assert re.search(rf"^a GPU +held by session {held.session_id} ", answer("quota"), re.MULTILINE)
    said = answer("plan")
    assert f"A GPU is held by session {held.session_id} (your history), and the next one comes likely " in said
    assert said.endswith("next: qcqueue status --watch\n")
    assert f"The next GPU after session {held.session_id} is likely to be had " in answer("")


def test_a_promise_says_when_the_session_at_work_will_end(colab: QueueContext, answer: Answer) -> None:
    now_s = colab.clock.now_s()
    attend(colab, "tiny/vgg16", 1, ago_s=HOUR_S, promised_until_s=now_s + 60.0)
    found = document(answer("plan --json"))["next_gpu"]
    later = document(answer("quota --json"))["cool_off"]["seconds"]
    likely_s = datetime.fromisoformat(found["likely"]).timestamp()
    assert likely_s - now_s <= later["likely_s"] + 60.0 + 30.0


def test_a_session_that_was_taken_away_unseen_holds_nothing_any_more(colab: QueueContext, answer: Answer) -> None:
    attend(colab, "tiny/vgg16", 1, ago_s=5 * HOUR_S, heard_s=2 * HOUR_S)
    found = document(answer("quota --json"))
    assert found["held_by"] is None
    assert found["used"]["seconds"] == pytest.approx(2 * HOUR_S)
    assert found["returns"]["because"].startswith("The GPU was taken away 3 h 00 min ago")
    said = answer("")
    assert "tiny/vgg16 was left by a session that vanished: 1 of 400 epochs saved." in said
    assert "Next is tiny/vgg16, 1 of 400 epochs saved: begun, about " in said
    assert said.endswith("next: qcqueue plan --ics come-back.ics\n")


# The day's one screen, and status.


def test_the_one_screen_says_until_when_and_what_the_quota_allows_now(colab: QueueContext, answer: Answer) -> None:
    said = answer("").splitlines()
    assert re.fullmatch(r"All is likely done by .*, and with 90 % by .* \(profile\)\.", said[-3])
    assert said[-2:] == ["A GPU can be had now, as far as is known (your history).", "next: qcqueue work"]
    attend(colab, "tiny/vgg16", 1, ago_s=3 * HOUR_S, held_s=2 * HOUR_S)
    said = answer("").splitlines()
    assert re.fullmatch(r"A GPU is likely to be had (today|tomorrow) \d\d:\d\d \(profile\)\.", said[-2])


def test_once_all_is_done_the_one_screen_looks_no_further(colab: QueueContext, answer: Answer) -> None:
    for name in ("vgg16", "xception", "inceptionresnetv2"):
        apply(colab, name, "cancel")
    said = answer("")
    assert "likely" not in said
    assert said.endswith("next: qcqueue report\n")


def foresee(
    place: QueueContext,
    session: str,
    study: str | None,
    *,
    made_at_s: float,
    ranges_s: list[tuple[float, float, float]],
) -> None:
    """Note forecasts in hours from made_at_s."""
    lines = [
        ForecastLine(
            session_id=session,
            study=study,
            made_at_s=made_at_s + 0.001 * number,
            low_s=made_at_s + low * HOUR_S,
            likely_s=made_at_s + likely * HOUR_S,
            high_s=made_at_s + high * HOUR_S,
        )
        for number, (low, likely, high) in enumerate(ranges_s)
    ]
    place.transact(lambda tx: note_forecasts(tx, lines))


def test_status_tells_the_newest_forecast_of_a_study_and_who_made_it(colab: QueueContext, answer: Answer) -> None:
    assert "foresaw" not in answer("status")
    assert document(answer("status --json"))["forecasts"] == []
    held = attend(colab, "tiny/vgg16", 1, ago_s=3.5 * HOUR_S, held_s=HOUR_S)
    made_s = colab.clock.now_s() - 3.5 * HOUR_S
    foresee(colab, held.session_id, "tiny", made_at_s=made_s, ranges_s=[(1, 2, 3), (30 * 24, 40 * 24, 50 * 24)])
    foresee(colab, held.session_id, None, made_at_s=made_s, ranges_s=[(1, 2, 3)])
    (told,) = (line for line in answer("status").splitlines() if "foresaw" in line)
    assert re.fullmatch(
        rf"tiny is likely done by \d+ \w+( \d+)?, .* to .* \(as session {held.session_id} foresaw 3 h ago\)\.", told
    )
    (found,) = document(answer("status --json"))["forecasts"]
    assert (found["study"], found["session"]) == ("tiny", held.session_id)
    assert found["done_by"]["p10"] < found["done_by"]["p50"] < found["done_by"]["p90"]


def test_status_and_the_one_screen_say_the_same_moment(colab: QueueContext, answer: Answer) -> None:
    put(colab, a_job("other", study="other", seed=9, epochs=400))
    held = attend(colab, "tiny/vgg16", 1, ago_s=2 * HOUR_S, held_s=HOUR_S)
    made_s = colab.clock.now_s() - 2 * HOUR_S
    foresee(colab, held.session_id, "tiny", made_at_s=made_s, ranges_s=[(4, 6, 9)])
    foresee(colab, held.session_id, "other", made_at_s=made_s, ranges_s=[(30, 50, 90)])
    of_status, of_the_day = (
        [line for line in answer(it).splitlines() if "likely done" in line] for it in ("status", "")
    )
    assert of_status == of_the_day
    assert len(of_status) == 2


def test_of_a_forecast_that_time_has_passed_the_one_screen_says_a_new_one(colab: QueueContext, answer: Answer) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=9 * DAY_S, held_s=HOUR_S)
    foresee(colab, held.session_id, "tiny", made_at_s=colab.clock.now_s() - 9 * DAY_S, ranges_s=[(1, 2, 3)])
    assert "All is likely done by " in answer("")


def test_nothing_is_foreseen_of_the_next_five_minutes(colab: QueueContext, answer: Answer) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=HOUR_S, held_s=60.0)
    foresee(colab, held.session_id, "tiny", made_at_s=colab.clock.now_s() - HOUR_S, ranges_s=[(1, 1.05, 1.2)])
    assert "likely done" not in answer("status") + answer("")


def test_status_calls_a_forecast_that_time_has_passed_by_its_name(colab: QueueContext, answer: Answer) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=9 * DAY_S, held_s=HOUR_S)
    foresee(colab, held.session_id, "tiny", made_at_s=colab.clock.now_s() - 9 * DAY_S, ranges_s=[(1, 2, 3)])
    assert "tiny was to be done by " in answer("status")


def test_status_says_nothing_of_a_study_that_no_session_will_take_up(colab: QueueContext, answer: Answer) -> None:
    held = attend(colab, "tiny/vgg16", 1, ago_s=DAY_S, held_s=HOUR_S)
    foresee(colab, held.session_id, "tiny", made_at_s=colab.clock.now_s() - DAY_S, ranges_s=[(1, 2, 90)])
    for name in ("vgg16", "xception", "inceptionresnetv2"):
        apply(colab, name, "hold")
    assert "tiny is likely" not in answer("status")
    assert document(answer("status --json"))["forecasts"] == []


# What Kaggle itself says.


@pytest.fixture
def kaggle(colab: QueueContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KaggleProgram:
    """The same queue for Kaggle's sessions, on a machine where somebody has installed its program."""
    monkeypatch.setenv("QCQUEUE_PROFILE", "kaggle")
    return KaggleProgram(tmp_path / "bin", monkeypatch)


def test_quota_and_plan_show_what_kaggle_says_as_live_with_its_refresh(
    kaggle: KaggleProgram, colab: QueueContext, answer: Answer
) -> None:
    at = datetime.fromtimestamp(colab.clock.now_s() + 2 * DAY_S, UTC).replace(microsecond=0, tzinfo=None)
    kaggle.says(rows(refreshAt=at.isoformat()))
    said = answer("quota")
    assert re.search(r"^used +21 h 26 min in 7 days +live$", said, re.MULTILINE)
    assert re.search(r"^left +8 h 34 min +live$", said, re.MULTILINE)
    told = r"kaggle quota says that 8.57 of 30 h are left, and that all of it is there again on \d+ \w+ \d{4}"
    assert re.search(told, said)
    plan = answer("plan")
    assert re.search(rf"^{told} \d\d:\d\d \(live\)\.$", plan, re.MULTILINE)
    assert "All dates are forecasts (profile and live)" in plan
    live = document(answer("quota --json"))["live"]
    assert live == document(answer("plan --json"))["live_quota"]
    assert live["refreshes_at"] == f"{at.isoformat()}.000Z"
    assert (live["source"], live["left_s"], live["allowed_s"]) == ("kaggle quota", 30_852.0, 108_000.0)


def test_where_kaggle_says_nothing_is_left_the_plan_waits_for_the_refresh(
    kaggle: KaggleProgram, colab: QueueContext, answer: Answer
) -> None:
    in_two_days = datetime.fromtimestamp(colab.clock.now_s() + 2 * DAY_S, UTC).replace(microsecond=0, tzinfo=None)
    kaggle.says(rows(used="30.20h", remaining="0.00h", refreshAt=in_two_days.isoformat()))
    assert re.search(r"^a GPU +comes back likely .* +live$", answer("quota"), re.MULTILINE)
    found = document(answer("plan --json"))
    assert found["next_gpu"]["likely"][:16] == in_two_days.isoformat()[:16]
    assert found["all"]["done_by"]["p50"] > in_two_days.isoformat()


def test_a_refresh_that_cannot_be_the_next_one_is_as_none(kaggle: KaggleProgram, answer: Answer) -> None:
    kaggle.says(rows(refreshAt="2001-01-01T00:00:00"))
    assert document(answer("quota --json"))["live"]["refreshes_at"] is None


def test_where_nothing_is_left_and_no_refresh_is_named_no_gpu_can_be_had_now(
    kaggle: KaggleProgram, answer: Answer
) -> None:
    kaggle.says(rows(used="31h", remaining="0h", total="30h", refreshAt=""))
    assert re.search(r"^a GPU +none is left; when more comes is not known +live$", answer("quota"), re.MULTILINE)
    plan = answer("plan")
    assert "No GPU can be had now: nothing of the GPU time of this week is left, and when more comes is not" in plan
    assert plan.endswith("next: qcqueue quota\n")
    assert run(["plan", "--ics", "here.ics"]) == 2
    assert not Path("here.ics").exists()


def test_one_that_fails_is_simply_not_live(kaggle: KaggleProgram, answer: Answer) -> None:
    kaggle.says(b"401 Client Error: Unauthorized", exit_code=1)
    assert document(answer("quota --json"))["live"] is None
    assert "live" not in answer("plan").replace("lives", "")


def test_whoever_only_looks_does_not_ask_kaggle(kaggle: KaggleProgram, answer: Answer) -> None:
    for typed in ("status", "", "why vgg16"):
        answer(typed)
    assert kaggle.asked is None
