"""Which frame of a clip is taken at which moment, and what becomes of its colours."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import ConfigError, DataError
from viewloom.extract.pictures import picture
from viewloom.extract.preprocessing import Preprocessing
from viewloom.requirements import require
from viewloom.videos import files
from viewloom.videos import moments as moments_of
from viewloom.videos.clips import Clip
from viewloom.videos.files import TimedFrame
from viewloom.videos.moments import Decoder, count_frames, exact, moments

pytest.importorskip("av", reason="PyAV (extra: video) is not installed")

from tests.extract.clips import moving, numbered, write_clip

SMALL = Preprocessing(size=32, resize=32)


def has_torchcodec() -> bool:
    try:
        require("torchcodec.decoders")
    except ConfigError:
        return False
    return True


WITHOUT = pytest.mark.skipif(not has_torchcodec(), reason="torchcodec, or the FFmpeg libraries it needs, are not here")
each_decoder = pytest.mark.parametrize("decoder", ["pyav", pytest.param("torchcodec", marks=WITHOUT)])


def shown(clip: Clip, fps: float, decoder: Decoder = "pyav") -> dict[int, int | None]:
    """{frame number: value of the picture}, as `numbered` made it."""
    return {
        number: None if frame is None else int(picture(frame.load(), SMALL)[16, 16, 0])
        for number, frame in moments(clip, fps, decoder)
    }


def nearest(times_s: list[Fraction], last_s: Fraction, fps: float, offset_s: float) -> dict[int, int]:
    """The plain way: for every moment that the clip covers, the frame of least distance.

    Covered are moments up to half a step before the clip's end, and those that a frame before the last is nearest to.
    """
    rate, offset = exact(fps), exact(offset_s)
    half = Fraction(1, 2)
    found = {}
    for number in range(0, ceil((last_s + offset) * rate) + 2):
        moment = number / rate - offset
        frame = min(range(len(times_s)), key=lambda i: (abs(times_s[i] - moment), i))
        covered = number < (last_s + offset) * rate - half or frame < len(times_s) - 1
        if number >= offset * rate - half and covered:
            found[number] = frame
    return found


@settings(max_examples=150, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    lasts=st.integers(20, 200),
    fps=st.sampled_from([1.0, 7.5, 10.0, 24.0, 29.97, 30.0, 60.0]),
    offset_s=st.sampled_from([0.0, 0.5, 1.234, -0.3, 0.0333]),
)
def test_every_moment_takes_the_nearest_frame(gaps, lasts, fps, offset_s):
    times = [Fraction(sum(gaps[:i]), 1000) for i in range(len(gaps))]
    frames = [TimedFrame(time, Fraction(lasts, 1000), lambda: None) for time in times]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments_of, "timed_frames", lambda clip, rate, decoder: iter(frames))
        clip = Clip("r", "v", Path("clip.mkv"), offset_s)
        wanted = nearest(times, times[-1] + Fraction(lasts, 1000), fps, offset_s)
        if not wanted:
            with pytest.raises(DataError, match="lasts for less"):
                list(moments(clip, fps))
            return
        got = {number: frames.index(frame) for number, frame in moments(clip, fps)}
    assert got == wanted


@each_decoder
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_variable_rate_file(tmp_path, ending, decoder):
    rng = np.random.default_rng(4)
    times = [Fraction(int(t), 1000) for t in np.cumsum(rng.integers(5, 180, 60))]
    times = [time - times[0] for time in times]
    codec = {"mkv": "ffv1", "mp4": "libx264rgb"}[ending]
    path = write_clip(
        tmp_path / f"v.{ending}",
        numbered(60),
        times_s=times,
        codec=codec,
        pix_fmt="bgr0" if ending == "mkv" else "rgb24",
    )
    got = shown(Clip("r", "v", path), 25, decoder)
    wanted = nearest(times, times[-1] + Fraction(1, 25), 25, 0.0)
    assert len(got) >= len(wanted) - 1
    assert {number: round(got[number] / 2) for number in list(wanted)[:-1]} == dict(list(wanted.items())[:-1])


@each_decoder
@pytest.mark.parametrize(("fps", "frames"), [(30, 40), (15, 20), (10, 13), (60, 80), (24, 32)])
def test_fixed_rate_file_at_other_rates(tmp_path, fps, frames, decoder):
    clip = Clip("r", "v", write_clip(tmp_path / "v.mkv", numbered(40)))
    got = shown(clip, fps, decoder)
    assert list(got) == list(range(frames)) and count_frames(clip, fps) == frames
    if fps <= 30:
        assert [value / 2 for value in got.values()] == [pytest.approx(i * 30 / fps, abs=0.5) for i in range(frames)]


def test_offset_shifts_the_span_and_leaves_out_what_lies_before_zero(tmp_path):
    path = write_clip(tmp_path / "v.mkv", numbered(40))
    plain = shown(Clip("r", "v", path), 30)
    late = shown(Clip("r", "v", path, offset_s=0.5), 30)
    assert late == {number + 15: value for number, value in plain.items()}
    early = shown(Clip("r", "v", path, offset_s=-0.2), 30)
    assert early == {number - 6: value for number, value in plain.items() if number >= 6}
    with pytest.raises(DataError, match="ends before the recording begins"):
        shown(Clip("r", "v", path, offset_s=-10), 30)


def test_image_folder_with_a_lost_image(tmp_path):
    import av

    for number, array in enumerate(numbered(8)):
        if number != 5:
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            (tmp_path / f"frame_{number + 3:04d}.png").write_bytes(encoded(frame))
    got = shown(Clip("r", "v", tmp_path), 10)
    assert got == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8, 5: None, 6: 12, 7: 14}


def encoded(frame, codec: str = "png", pix_fmt: str = "rgb24") -> bytes:
    import av

    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, pix_fmt
    context.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("gray16le", 16)])
def test_grey_cameras_of_all_depths(tmp_path, pix_fmt, bits):
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], (32, 32, 3))
    path = write_clip(tmp_path / "v.mkv", [ramp] * 3, pix_fmt=pix_fmt)
    frame = next(files.video_frames(path))
    assert frame.format.name == pix_fmt and frame.format.components[0].bits == bits
    rgb = picture(frame, SMALL)
    assert rgb.shape == (32, 32, 3)
    assert (rgb == rgb[:, :, :1]).all()
    np.testing.assert_allclose(rgb[16].astype(int), ramp[16].astype(int), atol=2)


def test_middle_square_and_squash():
    import av

    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200
    frame = av.VideoFrame.from_ndarray(wide, format="rgb24")
    cut = picture(frame, Preprocessing(size=40, resize=40))
    assert (cut == 200).all()
    squashed = picture(frame, Preprocessing(size=40, fit="squash"))
    assert squashed.shape == (40, 40, 3) and squashed[20, 2].max() < 20 and squashed[20, 20].min() > 180


def test_turned_pictures_stand_upright():
    class Turned:
        width, height, rotation = 32, 32, -90

        def reformat(self, **how):
            return self

        def to_ndarray(self):
            array = np.zeros((32, 32, 3), np.uint8)
            array[0] = 255  # the top row: after a turn to the right it is the right column
            return array

    upright = picture(Turned(), SMALL)
    assert (upright[:, -1] == 255).all() and (upright[:, :-1] == 0).all()


@each_decoder
@pytest.mark.parametrize("kind", ["garbage", "empty", "cut mp4", "no video"])
def test_bad_files_are_named(tmp_path, kind, decoder):
    path = tmp_path / "bad.mp4"
    whole = write_clip(tmp_path / "whole.mp4", numbered(30), codec="mpeg4", pix_fmt="yuv420p").read_bytes()
    path.write_bytes(
        {"garbage": b"no video at all" * 99, "empty": b"", "cut mp4": whole[: len(whole) // 2]}.get(kind, b"")
    )
    if kind == "no video":
        sound(path)
    with pytest.raises(DataError, match=r"bad\.mp4"):
        shown(Clip("r", "v", path), 30, decoder)
    with pytest.raises(DataError, match=r"bad\.mp4"):
        count_frames(Clip("r", "v", path), 30)


@each_decoder
@pytest.mark.parametrize("ending", ["mkv", "webm"])
def test_a_file_cut_short_is_no_shorter_recording(tmp_path, ending, decoder):
    codec = {"mkv": "libx264", "webm": "libvpx"}[ending]
    path = write_clip(tmp_path / f"v.{ending}", moving(120, 1, 0, size=96), codec=codec, pix_fmt="yuv420p")
    assert len(shown(Clip("r", "v", path), 30, decoder)) == 120
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(DataError, match=r"cut short: its header promises 4\.0 s"):
        shown(Clip("r", "v", path), 30, decoder)


def sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@WITHOUT
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "gray"])
def test_torchcodec_shows_what_pyav_shows(tmp_path, pix_fmt):
    path = write_clip(tmp_path / "v.mkv", moving(40, 3, 0, size=96), pix_fmt=pix_fmt, codec="ffv1")
    how = Preprocessing(size=64, resize=80)
    both = [
        np.stack([picture(frame.load(), how) for _, frame in moments(Clip("r", "v", path), 10, decoder) if frame])
        for decoder in ("pyav", "torchcodec")
    ]
    apart = np.abs(both[0].astype(int) - both[1].astype(int))
    assert both[0].std() > 5 and apart.mean() < 1.5, "alike but for rounding in the colours"


@WITHOUT
def test_torchcodec_refuses_packets_that_arent_one_frame_each(tmp_path, monkeypatch):
    from viewloom.videos import torchcodec

    path = write_clip(tmp_path / "v.mkv", numbered(10))
    times = torchcodec.packet_times(path)
    monkeypatch.setattr(torchcodec, "packet_times", lambda path: times[:-1])
    with pytest.raises(DataError, match="9 packets but 10 frames"):
        shown(Clip("r", "v", path), 30, "torchcodec")


@WITHOUT
@pytest.mark.parametrize(("ending", "codec"), [("ts", "libx264"), ("avi", "mpeg4"), ("mp4", "libx264")])
def test_torchcodec_never_gives_another_moments_frame(tmp_path, ending, codec):
    path = write_clip(tmp_path / f"v.{ending}", numbered(100), codec=codec, pix_fmt="yuv420p", b_frames=2)
    wanted = shown(Clip("r", "v", path), 10)
    try:
        got = shown(Clip("r", "v", path), 10, "torchcodec")
    except DataError as error:
        text = str(error)
        assert ending != "mp4", text
        assert "Leave out --decoder torchcodec" in text
        return
    assert {n: pytest.approx(value, abs=2) for n, value in wanted.items()} == got


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_image_cut_short_is_refused(tmp_path, share):
    import av

    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuvj420p")
    whole = encoded(frame, "mjpeg", "yuvj420p")
    (tmp_path / "0001.jpg").write_bytes(whole)
    assert picture(moments_of._read_image(tmp_path / "0001.jpg"), SMALL).shape == (32, 32, 3)
    (tmp_path / "0001.jpg").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"0001\.jpg can't be read"):
        shown(Clip("r", "v", tmp_path), 30)


def test_a_file_whose_clock_starts_late_is_not_cut_short(tmp_path):
    late = [Fraction(5) + Fraction(number, 30) for number in range(60)]
    path = write_clip(tmp_path / "v.mkv", numbered(60), times_s=late)
    clip = Clip("r", "v", path)
    assert list(shown(clip, 30)) == list(range(60))
    assert count_frames(clip, 30) == pytest.approx(60, abs=1)
