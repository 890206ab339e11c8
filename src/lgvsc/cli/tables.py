"""Tables for the terminal, from reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lgvsc.core.cost import Cost

MORE = {  # metrics beyond the three, shown where they were measured: label and digits
    "vmaf": ("VMAF", 1), "vmaf_neg": ("VMAF-NEG", 1), "lpips": ("LPIPS", 3), "lpips_vgg": ("LPIPS-VGG", 3),
    "dists": ("DISTS", 3), "flicker": ("flicker", 3), "e_warp": ("E_warp", 3), "sharpness": ("sharpness", 2),
    "objects_kept": ("objects", 3), "clip": ("CLIP", 3), "bert": ("BERT", 3),
}  # fmt: skip
MAX_GROUPS = 6  # shown one by one; the report has all of them


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; words left, numbers right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, numeric, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def run_table(reports: Sequence[dict[str, Any]]) -> str:
    """One line per run, then where the symbols and the seconds went."""
    parts = [name for name in reports[0]["symbols"] if any(report["symbols"][name] for report in reports)]
    spent = [[f"{r['channel']['snr_db']:g}", *(str(r["symbols"][name]) for name in parts)] for r in reports]
    stages = list(reports[0]["timing_s"])
    seconds = [[f"{r['channel']['snr_db']:g}", *(f"{r['timing_s'].get(s, 0.0):.2f}" for s in stages)] for r in reports]
    return "\n\n".join(
        [f"at {r['channel']['snr_db']:g} dB {r['choices'][0]}" for r in reports if budget_is_first(r)]
        + [
            runs_alone(reports),
            "symbols by purpose\n" + table(["SNR dB", *parts], spent),
            "seconds by stage\n" + table(["SNR dB", *stages], seconds),
        ]
        + [coding_table(r) for r in reports if any(row.get("coding") for row in r["segments"])]
        + [
            f"as GVSC counts at {r['channel']['snr_db']:g} dB: "
            f"{r['paper_accounting']['symbols']['total']:.2f} symbols, CBR {r['paper_accounting']['cbr']:.2e}"
            for r in reports
            if r.get("paper_accounting")
        ]
        + [f"choices at {r['channel']['snr_db']:g} dB: " + "; ".join(r["choices"]) for r in reports if r["choices"]]
    )


def budget_is_first(report: dict[str, Any]) -> bool:
    """Whether the first that is to be said of a run is that its budget was not kept, or may not be."""
    return bool(report["choices"]) and report["choices"][0].startswith("the budget ")


def runs_alone(reports: Sequence[dict[str, Any]]) -> str:
    """One line per run."""
    header = ["scheme", "channel", "SNR dB", "keyframes", "symbols", "CBR", "kbit/s", "airtime s", "PSNR dB", "SSIM"]
    more = [key for key in MORE if any(report["metrics"].get(key) is not None for report in reports)]
    header += ["MS-SSIM", *(MORE[key][0] for key in more), "lost parts"]
    return table(header, [_run_row(report, more) for report in reports])


def coding_table(report: dict[str, Any]) -> str:
    """How the groups of pictures of a conventional scheme were coded; long videos are cut short."""
    groups = report["segments"]
    rows = [
        [
            f"{g['start']} to {g['stop'] - 1}",
            str(g["symbols"]),
            g.get("coding") or "nothing fitted",
            g["status"]["video"],
        ]
        for g in groups[:MAX_GROUPS]
    ]
    more = f"\nand {len(groups) - MAX_GROUPS} more groups" if len(groups) > MAX_GROUPS else ""
    return "groups of pictures\n" + table(["frames", "symbols", "coded as", "arrived"], rows) + more


def _run_row(report: dict[str, Any], more: Sequence[str]) -> list[str]:
    channel, metrics = report["channel"], report["metrics"]
    lost = {part: count for part, count in report["damage"].items() if count}
    return [
        report["scheme"],
        channel["kind"],
        f"{channel['snr_db']:g}",
        str(len(report["keyframes"])),
        str(report["symbols"]["total"]),
        f"{report['cbr']:.2e}",
        f"{report['kbit_per_s']:.2f}",
        f"{report['airtime_s']:.2f}",
        _number(metrics.get("psnr_db"), 2),
        _number(metrics.get("ssim"), 3),
        _number(metrics.get("ms_ssim"), 3),
        *(_number(metrics.get(key), MORE[key][1]) for key in more),
        ", ".join(f"{count} {part.replace('_', ' ')}" for part, count in lost.items()) or "none",
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == "-"
    return True


def cost_table(cost: Cost, wasted_share: float) -> str:
    """The ledger of a run, one line for each thing that was counted."""
    rows = [[name.replace("_", " "), f"{value:,}"] for name, value in cost.as_json().items() if isinstance(value, int)]
    rows += [["GFLOP", f"{cost.flops / 1e9:,.3f}"], ["seconds", f"{cost.seconds:.2f}"]]
    parts = {"detector": cost.detector_s, "classifier": cost.classifier_s, "captions": cost.captions_s}
    rows += [[f"seconds, {name}", f"{seconds:.2f}"] for name, seconds in parts.items() if seconds]
    rows.append(["pairs scored in vain", f"{wasted_share:.1%}"])
    return table(["what", "how much"], rows)
