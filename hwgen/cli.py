"""The command line: parse, call the pipeline, exit code. Nothing else.

A user's fault is one line on stderr (all reasons against a network: an indented line for each) and
exit code 2. Heavy imports happen inside the commands, so that `--help` and a wrong option answer at
once; cli_options.py has the options.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer
from typer.exceptions import TyperException

from hwgen.cli_options import (
    IMAGES_HELP,
    BackendOption,
    CalibOption,
    ConfigOption,
    DirArgument,
    EmaOption,
    FidelityOption,
    ForceOption,
    ImagesOption,
    MeanOption,
    ModelArgument,
    PreprocessOption,
    SaveOption,
    SetOption,
    SizeOption,
    StdOption,
    StopOption,
    TargetOption,
    ThreadsOption,
    WeightsOption,
)
from hwgen.errors import EXIT_CODE, HwgenError
from hwgen.frontend.options import Options
from hwgen.version import __version__

app = typer.Typer(
    name="hwgen",
    help="Compile trained binarized vision transformers into FPGA accelerators.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hwgen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def compile(
    model: ModelArgument,
    target: TargetOption = "zynq",
    out: Annotated[
        Path | None, typer.Option(help="Output folder; default: out/MODEL-TARGET.")
    ] = None,
    force: ForceOption = False,
    set_: SetOption = None,
    calib: CalibOption = None,
    preprocess: PreprocessOption = None,
    fidelity: FidelityOption = False,
    backend: BackendOption = "rtl",
    stop_after: StopOption = None,
    save_steps: SaveOption = False,
    ema: EmaOption = False,
    config: ConfigOption = None,
    image_size: SizeOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
) -> None:
    """Compile a model into RTL or HLS C++, program, weights, driver and report."""
    overrides = parse_overrides(set_ or [])
    from hwgen.targets import target_label

    folder = out or Path("out") / f"{model.stem}-{target_label(target)}"
    result = _pipeline().compile_model(
        model,
        target,
        folder,
        force=force,
        overrides=overrides,
        calib=calib,
        preprocess=preprocess,
        blocks=fidelity,
        backend=backend,
        stop_after=stop_after,
        save_steps=save_steps,
        options=Options.parse(ema, config, image_size, mean, std, weights),
    )
    for line in result.notes:
        typer.echo(line)
    for k, reason in enumerate(result.reasons):
        typer.echo(f"{'' if k else 'chosen':<11} {reason}")
    for path in result.saved:
        typer.echo(f"{stop_after:<11} {path}")
    if result.finished:
        _show(folder)


@app.command()
def simulate(
    folder: DirArgument,
    images: Annotated[
        int | None,
        typer.Option(min=1, help=IMAGES_HELP, show_default="16, or as many as the folder holds"),
    ] = None,
    threads: ThreadsOption = 1,
) -> None:
    """Simulate the emitted RTL on real images and compare every tensor with the golden model."""
    _pipeline().simulate_dir(folder, images=images, threads=threads)
    _show(folder)
    _fail_on_mismatch(folder)


@app.command()
def synth(folder: DirArgument) -> None:
    """Count resources of the emitted RTL with Yosys, unit by unit."""
    _pipeline().synth_dir(folder)
    _show(folder)


@app.command()
def timing(
    folder: DirArgument,
    net_base: Annotated[
        float | None, typer.Option(min=0, help="ns of a net with one sink; default 0.5.")
    ] = None,
    net_slope: Annotated[
        float | None,
        typer.Option(min=0, help="ns more for every doubling of the fan-out; default 0.09."),
    ] = None,
    net_limit: Annotated[
        float | None, typer.Option(min=0, help="ns of the slowest net; default 2.2.")
    ] = None,
    derating: Annotated[
        float | None,
        typer.Option(
            help="What all delays of 7-series are multiplied with; default: 0.72 for UltraScale+."
        ),
    ] = None,
    vivado: Annotated[
        Path | None,
        typer.Option(metavar="REPORT", help="Show Vivado's report_timing_summary beside it."),
    ] = None,
    utilization: Annotated[
        Path | None,
        typer.Option(metavar="REPORT", help="Show Vivado's report_utilization beside ours."),
    ] = None,
) -> None:
    """Estimate the clock of the emitted RTL by static timing: no placement, no vendor tool."""
    given = {"base": net_base, "slope": net_slope, "limit": net_limit}
    files = {"timing": vivado, "utilization": utilization}
    lines = _pipeline().timing_dir(
        folder,
        nets={k: v for k, v in given.items() if v is not None},
        factor=derating,
        vivado={k: v for k, v in files.items() if v is not None},
    )
    _show(folder)
    for line in lines:
        typer.echo(line)


@app.command()
def place(
    folder: DirArgument,
    freq: Annotated[
        float | None,
        typer.Option(min=1, help="Clock in MHz to aim at.", show_default="the target's"),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=1, help="Of the placement; equal seeds, equal results.")
    ] = 1,
    chipdb: Annotated[
        Path | None,
        typer.Option(help="Chip database for nextpnr-xilinx.", show_default="$HWGEN_CHIPDB"),
    ] = None,
) -> None:
    """Place and route the emitted engine with nextpnr: the clock that it reaches.

    A whole engine takes more than half an hour; DIR/place/nextpnr.log grows meanwhile.
    """
    _pipeline().place_dir(folder, goal_mhz=freq, seed=seed, chipdb=chipdb)
    _show(folder)


@app.command()
def run(
    model: ModelArgument,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="A picture, .npy, .npz, .pt, or a folder of pictures."
        ),
    ],
    preprocess: PreprocessOption = None,
    ema: EmaOption = False,
    config: ConfigOption = None,
    image_size: SizeOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
) -> None:
    """Classify an image with the integer model."""
    options = Options.parse(ema, config, image_size, mean, std, weights)
    found = _pipeline().run_image(model, image, preprocess=preprocess, options=options)
    for line in found.lines():
        typer.echo(line)


@app.command()
def evaluate(
    model: ModelArgument,
    images: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Pictures, one folder per class; or .npz or .pt with images and labels.",
        ),
    ],
    calib: CalibOption = None,
    preprocess: PreprocessOption = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Of the images take this many, evenly spaced.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in memory at a time.")] = 32,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the numbers as JSON too.")
    ] = None,
    ema: EmaOption = False,
    config: ConfigOption = None,
    image_size: SizeOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
) -> None:
    """Accuracy of the float and of the integer model on labelled images, and their agreement."""
    found = _pipeline().evaluate_model(
        model, images, calib=calib, preprocess=preprocess, limit=limit, batch=batch, json=json,
        options=Options.parse(ema, config, image_size, mean, std, weights),
    )  # fmt: skip
    for line in found.lines():
        typer.echo(line)


@app.command()
def analyze(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="As for compile, or a network by its name, e.g. reactnet18.",
        ),
    ],
    as_published: Annotated[
        bool,
        typer.Option(
            "--as-published",
            help="Capability also as the paper's printed totals count it (docs/capability.md).",
        ),
    ] = False,
    ema: EmaOption = False,
    config: ConfigOption = None,
    image_size: SizeOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
) -> None:
    """Count weights, multiply-accumulates and representational capability of a model."""
    from hwgen.analysis.capability import network_capability
    from hwgen.analysis.counting import count_layers
    from hwgen.analysis.operations import analyze
    from hwgen.frontend.load import load_network
    from hwgen.frontend.own_config import OwnConfig
    from hwgen.report.text import analysis_lines, capability_lines
    from hwgen.zoo import names, sketch
    from hwgen.zoo.network import Network

    if str(model) in names() and not model.exists():
        name, network = str(model), sketch(str(model))
    elif not model.suffix and not model.exists():
        raise HwgenError(
            str(model), "is no file and no known network", "needs a checkpoint (.pt) or a network",
            f"use {', '.join(names())}",
        )  # fmt: skip
    else:
        options = Options.parse(ema, config, image_size, mean, std, weights)
        found, info = load_network(model, options)
        name = model.name
        if isinstance(info.config, OwnConfig) and as_published:
            raise HwgenError(
                "--as-published", model, "is about networks of the papers", "leave it out"
            )
        for line in info.lines():
            typer.echo(line)
        if isinstance(info.config, OwnConfig):
            image = (*info.config.image_size, info.config.in_channels)
            for line in analysis_lines(name, count_layers(found, image)):
                typer.echo(line)
            return
        network = cast(Network, found)
    published = network_capability(network, "published") if as_published else None
    for line in analysis_lines(name, analyze(network)):
        typer.echo(line)
    typer.echo("")
    for line in capability_lines(network_capability(network), published):
        typer.echo(line)


@app.command()
def targets() -> None:
    """List the parts that hwgen can plan for, and boards with their memory."""
    from hwgen.report.values import gigabytes
    from hwgen.targets import get_target, target_names

    row = "{:<10} {:<22} {:>5} {:>9} {:>9} {:>7} {:>5} {:>6} {:>8}  {}".format
    titles = ("target", "part", "MHz", "LUT", "FF", "BRAM36", "URAM", "DSP", "AXI", "memory")
    typer.echo(row(*titles))
    for name in target_names():
        t = get_target(name)
        numbers = [f"{n:,}" for n in (t.lut, t.ff, t.bram36, t.uram, t.dsp)]
        ports, memory = f"{t.axi_ports} x {t.axi_bits}", "a part: as fast as its ports"
        if t.dram:
            memory = f"{t.dram.words} = {gigabytes(float(t.dram.bytes_per_second))}"
        typer.echo(row(t.name, t.part, t.clock_mhz, *numbers, ports, memory))


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml")],
    output: Annotated[Path | None, typer.Option(help="Replaces the recipe's checkpoint.")] = None,
    data_root: Annotated[
        str | None, typer.Option(help="Replaces the recipe's data folder.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Replaces the recipe's epochs.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the saved state.")] = False,
    stop_after: Annotated[int | None, typer.Option(min=1, help="End after this epoch.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a network from a recipe; several GPUs through torchrun."""
    from hwgen.train import train as train_recipe

    train_recipe(
        recipe,
        output=output,
        data_root=data_root,
        epochs=epochs,
        resume=resume,
        stop_after=stop_after,
        device=device,
    )


@app.command()
def demo(
    images: ImagesOption = 4,
    out: Annotated[Path, typer.Option(help="Output folder, replaced.")] = Path("out/demo"),
    target: TargetOption = "zynq",
    threads: ThreadsOption = 1,
) -> None:
    """Compile the shipped network, simulate its RTL on real digits, synthesise, report."""
    from hwgen.paths import models_dir

    model = models_dir() / "bhvit_micro_digits.pt"
    pipeline = _pipeline()
    typer.echo(f"compile     {model.name} for {target}")
    pipeline.compile_model(model, target, out, force=True, overrides={}, calib=None, blocks=True)
    typer.echo(f"simulate    the whole network's RTL on {images} handwritten digits")
    pipeline.simulate_dir(out, images=images, threads=threads)
    typer.echo("synthesise  with Yosys, unit by unit")
    pipeline.synth_dir(out)
    typer.echo("")
    _show(out)
    _fail_on_mismatch(out)


@app.command()
def bench(
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("reports/bench.json"),
) -> None:
    """Measure compile, golden model and simulation; write the results."""
    from hwgen.results.bench import run as run_bench

    for line in run_bench(out):
        typer.echo(line)


def parse_overrides(pairs: list[str]) -> dict[str, str]:
    """`["array_bits=2048"]` -> {"array_bits": "2048"}."""
    overrides: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        key, value = key.strip(), value.strip()
        if not (sign and key and value):
            raise HwgenError(
                "--set", repr(pair), "must be KEY=VALUE", "for example --set array_bits=2048"
            )
        if key in overrides:
            raise HwgenError("--set", repr(pair), f"{key} is set twice", "keep one of them")
        overrides[key] = value
    return overrides


def _pipeline():
    from hwgen import pipeline

    return pipeline


def _show(folder: Path) -> None:
    from hwgen.report import load_report, summary

    for line in summary(load_report(folder)):
        typer.echo(line)
    typer.echo(f"report      {folder / 'report.html'}")


def _fail_on_mismatch(folder: Path) -> None:
    from hwgen.report import load_report

    check = load_report(folder).check
    if check.mismatches:
        typer.echo("hwgen: the RTL differs from the golden model (a bug in hwgen)", err=True)
        raise typer.Exit(1)


def main(args: list[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0 good, 1 our fault, 2 the user's."""
    args = sys.argv[1:] if args is None else args
    try:
        code = app(args or ["--help"], prog_name="hwgen", standalone_mode=False)
    except HwgenError as error:
        return _error(*error.lines)
    except TyperException as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        return _error(f"{message}; see `hwgen --help`" if message else "see `hwgen --help`")
    except BrokenPipeError:
        sys.stdout = None
        return 1
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _error(line: str, *more: str) -> int:
    print("\n  ".join((f"hwgen: error: {line}", *more)), file=sys.stderr)
    return EXIT_CODE
