import math
import xml.etree.ElementTree as ElementTree

from lgvsc.ui.plots import MAX_POINTS, Plot, divergence_svg, nice_step, thinned, time_label

SVG = "{http://www.w3.org/2000/svg}"


def parse(text):
    return ElementTree.fromstring(text)


def test_curve_lies_where_its_values_say():
    """Frames along x, -1 at the bottom, 1 at the top, interrupted after the keyframe."""
    plot = Plot(width=960, height=190, frames=100)
    root = parse(divergence_svg([(10, -1.0), (50, 0.5), (60, -1.0)], 0.35, [0, 50], 25, frames=100))
    path = next(p for p in root.iter(f"{SVG}path") if p.get("class") == "curve").get("d")
    assert path == "".join(
        f"{pen}{plot.x(f):.1f} {plot.y(v):.1f}" for pen, f, v in (("M", 10, -1), ("L", 50, 0.5), ("M", 60, -1))
    )
    dot = next(root.iter(f"{SVG}circle"))
    assert (float(dot.get("cx")), float(dot.get("cy"))) == (round(plot.x(50), 1), round(plot.y(0.5), 1))
    line = next(p for p in root.iter(f"{SVG}line") if p.get("class") == "threshold")
    assert plot.y(1.0) < float(line.get("y1")) < plot.y(0.0) < plot.y(-1.0)
    assert root.get("data-frames") == "100"


def test_strip_covers_every_frame_once():
    runs = [(0, 1, "received"), (1, 90, "generated"), (90, 100, "<evil>")]
    root = parse(divergence_svg([], None, [0], 25, frames=100, provenance=runs))
    rects = [(r.get("class"), float(r.get("x")), float(r.get("width"))) for r in root.iter(f"{SVG}rect")]
    plot = Plot(width=960, height=190, frames=100)
    assert [name for name, _, _ in rects] == ["received", "generated", "missing"]
    assert abs(rects[1][2] - plot.span * 0.89) < 0.02


def test_empty_and_odd_input_still_draws():
    for curve in ([], [(3, math.nan)], [(3, None)]):
        text = "".join(parse(divergence_svg(curve, 0.3, [], 24)).itertext())
        assert "no divergence was scored" in text and "threshold 0.3" not in text
    parse(divergence_svg([(0, 0.2)], 0.3, [0], 24, frames=1))


def test_long_curves_are_thinned_but_keep_peaks_and_keyframes():
    points = [(float(i), math.sin(i / 7)) for i in range(50_000)]
    points[12_345] = (12_345.0, 0.99999)
    points[777] = (777.0, -5.0)
    kept = thinned(points, keep={20_001})
    assert len(kept) <= MAX_POINTS + 10 and kept == sorted(kept)
    assert points[777] in kept and points[20_001] in kept and points[12_345] in kept
    assert thinned(points[:50], set()) == points[:50]


def test_axis_steps_are_round():
    assert [nice_step(x) for x in (0.03, 0.9, 1.0, 4.0, 11.0)] == [0.05, 1.0, 1.0, 5.0, 20.0]
    assert [nice_step(x) for x in (51.0, 250.0, 9000.0)] == [60.0, 300.0, 10800.0]
    assert [time_label(x) for x in (0, 5.0, 0.5, 1800)] == ["0 s", "5 s", "0.5 s", "30:00"]
