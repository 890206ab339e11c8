"""The layers and the reading path of the design, and tests that mirror them, checked from the syntax trees."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "lgvsc"
UNIT_TESTS, HELPERS = Path(__file__).parent / "unit", Path(__file__).parent / "helpers"

# A package may import from lower layers and from itself; the exceptions are named.
LAYERS = {
    "__main__": 7,
    "cli": 6, "ui": 6,
    "experiments": 5, "training": 5,
    "api": 4, "config": 4, "build": 4, "flowgraph": 4, "inspection": 4, "kinds": 4, "link": 4, "picture_link": 4,
    "live": 4, "planning": 4, "planning_passages": 4, "planning_trials": 4, "record": 4, "settings": 4,
    "schemes": 3,
    "semantics": 2, "coding": 2, "world": 2,
    "channel": 1, "metrics": 1, "models": 1, "nets": 1,
    "core": 0, "errors": -1,
}  # fmt: skip
SIDEWAYS = {  # besides layer 4, whose files know each other
    ("metrics", "models"), ("metrics", "nets"), ("cli", "ui"), ("experiments", "training"),
}  # fmt: skip
HEAVY = {  # libraries that are slow or optional, and the only modules that import them, inside functions
    "sionna": {
        "channel/tdl", "cli/doctor", "coding/modem/digital", "coding/modem/fec", "coding/modem/ldpc_tables",
    },
    "transformers": {
        "metrics/bert", "metrics/clip", "metrics/network_input", "semantics/backends/large/causal",
        "semantics/backends/large/conversation",
        "semantics/backends/large/conversion", "semantics/backends/large/image_embedding",
        "semantics/backends/large/sentences", "semantics/backends/large/vision_language",
        "world/backends/diffusers/weights", "world/backends/opensora/t5",
    },
    "diffusers": {
        "world/backends/diffusers/ltx", "world/backends/diffusers/sketch_to_frame", "world/backends/diffusers/weights",
    },
    "huggingface_hub": {"models/hub"},
    "ray": {"experiments/jobs/ray_actors"},
    "matplotlib": {"experiments/compare_plots"},
    "pyarrow": {"experiments/compare_table"},
    "bjontegaard": {"experiments/bd_rate"},
    "sacrebleu": {"metrics/texts"},
    "rouge_score": {"metrics/texts"},
    "imageio_ffmpeg": {"coding/frames/vvc", "metrics/vmaf"},
    "cryptography": {"coding/packets/sealing"},
    "zmq": {"channel/zeromq"},
    "gradio": {"ui/page/layout"},
}  # fmt: skip
READS_WEIGHTS = {"load", "load_file", "safe_open"}  # of safetensors
READERS = {"models/weights", "semantics/backends/large/conversion"}  # the second rewrites what no memory holds


@cache
def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imports(tree: ast.AST) -> list[tuple[str, ast.stmt]]:
    """Every module named by an import statement, at any depth, with the statement."""
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node))
            if node.module == "lgvsc":
                found += [(f"lgvsc.{alias.name}", node) for alias in node.names]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    here = package_of(path)
    if here == "__init__":
        return
    for name, _ in imports(syntax(path)):
        if not name.startswith("lgvsc."):
            continue
        there = name.split(".")[1]
        if there == here or there.startswith("__"):
            continue
        assert there in LAYERS, f"{path} imports {name}, which no layer knows"
        downwards = LAYERS[there] < LAYERS[here]
        same_roof = LAYERS[there] == LAYERS[here] == 4
        assert downwards or same_roof or (here, there) in SIDEWAYS, f"{path}: {here} may not know {name}"


def test_nets_import_nothing_of_ours_outside_nets():
    for path in (SOURCE / "nets").glob("*.py"):
        names = [name for name, _ in imports(syntax(path)) if name.startswith("lgvsc")]
        assert all(name.startswith("lgvsc.nets") for name in names), (path, names)


def test_neither_schemes_nor_what_is_below_them_knows_the_configuration_or_asks_it_what_the_channel_is_like():
    """Stages get what they need; the belief about the channel is made from settings once (`Config.belief`)."""
    belief = {"believed_snr_db", "text_mcs"}
    outside = {node.attr for path in modules() if layer(path) == 4 for node in attributes(path)}
    assert belief <= outside, "the settings are called otherwise now"
    for path in (path for path in modules() if layer(path) <= LAYERS["schemes"]):
        names = {name.removesuffix(".Config") for name, _ in imports(syntax(path))}
        assert not names & {"lgvsc.settings", "lgvsc.config"}, f"{path} imports the configuration"
        for node in ast.walk(syntax(path)):
            assert not (isinstance(node, ast.Name) and node.id == "Config"), f"{path}:{node.lineno} reads Config"
        asked = [f"{path}:{node.lineno}" for node in attributes(path) if node.attr in belief]
        assert not asked, f"{asked} asks settings; a Belief is handed on"


def layer(path: Path) -> int:
    return LAYERS.get(package_of(path), 9)


def attributes(path: Path) -> list[ast.Attribute]:
    return [node for node in ast.walk(syntax(path)) if isinstance(node, ast.Attribute)]


def test_heavy_libraries_are_imported_inside_functions():
    """Sionna alone takes seconds. (torch may stand at the top of modules.)"""
    for path in modules():
        for node in syntax(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                heavy = {name.split(".")[0] for name in names} & set(HEAVY)
                assert not heavy, f"{path} imports {heavy} at the top"


def test_heavy_libraries_are_imported_in_named_modules_alone():
    """By ``import_module`` as well. For types only, a library may be named anywhere: that imports nothing."""
    found: dict[str, set[str]] = {name: set() for name in HEAVY}
    for path in modules():
        tree = syntax(path)
        idle = for_types_only(tree)
        named = {name for name, node in imports(tree) if node not in idle}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "__import__"):
                named |= {str(word.value) for word in ast.walk(node) if isinstance(word, ast.Constant)}
        for library in {name.split(".")[0] for name in named} & set(HEAVY):
            found[library].add(str(path.relative_to(SOURCE).with_suffix("")))
    assert found == HEAVY, "name the module in the list, or take it off"


def for_types_only(tree: ast.AST) -> set[ast.AST]:
    """Statements below ``if TYPE_CHECKING``."""
    ifs = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    return {inner for node in ifs if ast.unparse(node.test) == "TYPE_CHECKING" for inner in ast.walk(node)}


def test_weights_are_read_in_one_place():
    found = set()
    for path in modules():
        for node in ast.walk(syntax(path)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("safetensors"):
                continue
            if READS_WEIGHTS & {alias.name for alias in node.names}:
                found.add(str(path.relative_to(SOURCE).with_suffix("")))
    assert found == READERS


def test_command_lines_and_processes_are_made_in_one_place():
    for path in modules():
        names = {name.split(".")[0] for name, _ in imports(syntax(path))}
        assert "argparse" not in names, f"{path}: command lines are typer's, those of trainers made from their recipe"
        pools = "multiprocessing" in names or "ProcessPool" in path.read_text(encoding="utf-8")
        assert not pools or dotted(path) == "lgvsc.core.processes", f"{path}: use in_processes of core/processes.py"


def test_nothing_below_layer_five_prints_or_reads_the_environment_or_seeds_globally():
    for path in modules():
        if LAYERS.get(package_of(path), 9) >= 5:
            continue
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                raise AssertionError(f"{path}:{node.lineno} reads the environment")
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called != "print", f"{path}:{node.lineno} prints"
            assert called not in {"torch.manual_seed", "np.random.seed", "random.seed"}, f"{path}:{node.lineno} seeds"


def test_no_module_imports_itself_by_way_of_others():
    """Imports inside functions and for types count too: a circle is two files that cannot be read one by one."""
    graph = {dotted(path): ours(path) for path in modules()}
    assert sum(map(len, graph.values())) > len(graph), "no imports found"
    assert not [module for module in graph if module in reachable(graph, module)]


def test_a_room_of_more_than_fifteen_files_says_why():
    for room in {path.parent for path in modules()}:
        many = sum(path.parent == room for path in modules()) > 16  # with its __init__
        assert not many or "More than fifteen files, as" in (room / "__init__.py").read_text(encoding="utf-8"), room


def test_no_two_public_classes_have_one_name():
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in syntax(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(dotted(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_functions_are_not_named_by_participles_that_tell_nothing():
    """A reader cannot guess who said what, or what was prepared how."""
    for path in modules():
        names = {node.name for node in syntax(path).body if isinstance(node, ast.FunctionDef)}
        assert not names & {"said", "told", "kept", "prepared", "made", "done"}, path


def test_tests_lie_in_the_rooms_that_they_test():
    """A stranger finds the tests of a file and the file of a test: same folder, and something of it is imported."""
    helpers = {path.stem for path in HELPERS.glob("*.py")}
    homes: dict[str, set[Path]] = {}
    for module in modules():
        homes.setdefault(module.stem, set()).add(module.parent.relative_to(SOURCE))
    for path in UNIT_TESTS.rglob("test_*.py"):
        room = path.parent.relative_to(UNIT_TESTS)
        assert (SOURCE / room / "__init__.py").exists(), f"{path}: the package has no room {room}"
        home = homes.get(path.stem.removeprefix("test_"), {room})
        assert room in home, f"{path}: the file of this name lies in {', '.join(map(str, home))}"
        here = ".".join(["lgvsc", *room.parts]) + "."
        imported = ours(path).union(
            *(ours(HELPERS / f"{name}.py") for name, _ in imports(syntax(path)) if name in helpers)
        )
        assert any(f"{name}.".startswith(here) for name in imported), f"{path} imports nothing of {here}"


def test_every_room_has_tests():
    rooms = {path.parent.relative_to(SOURCE) for path in modules() if path.stem != "__init__"}
    assert rooms == {path.parent.relative_to(UNIT_TESTS) for path in UNIT_TESTS.rglob("test_*.py")}


@cache
def ours(path: Path) -> set[str]:
    """Our modules that a file imports; ``from package import module`` counts as the module."""
    known = names_of_modules()
    found: set[str] = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in full.values()}
    return found & known - ({dotted(path)} if path.is_relative_to(SOURCE) else set())


@cache
def names_of_modules() -> set[str]:
    return {dotted(path) for path in modules()}


@cache
def dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        module = ahead.pop()
        if module not in seen:
            seen.add(module)
            ahead += graph[module]
    return seen


def test_the_reading_path_leads_through_seven_stops():
    """The README lists them; each is named by an import of the one before it, or of the scheme."""
    readme = (SOURCE.parents[1] / "README.md").read_text(encoding="utf-8")
    paragraph = readme.split("in which the video travels:")[1].split("\n\n")[0]
    stops = re.findall(r"\(src/lgvsc/([a-z_/]+)\.py\)", paragraph)
    assert len(stops) == 7, stops
    assert stops[:3] == ["link", "kinds", "schemes/generative"]
    handed_on_by = {  # who names the stop: the file before it, or the one that puts the stages together
        "kinds": "link", "schemes/generative": "kinds", "semantics/encoder": "schemes/generative",
        "coding/message_codec": "schemes/generative", "channel/awgn": "link", "world/decoder": "schemes/generative",
    }  # fmt: skip
    assert set(stops[1:]) == set(handed_on_by), stops
    for stop, before in handed_on_by.items():
        assert stops.index(before) < stops.index(stop), f"{stop} sends the reader back to {before}"
        assert f"lgvsc.{stop.replace('/', '.')}" in ours(SOURCE / f"{before}.py"), (before, stop)
