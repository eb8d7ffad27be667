"""Commands of the vendor's tools that our scripts use, with the options they have.

From the command references UG835 (Vivado) and UG1399 (Vitis HLS). Whatever is not here is refused;
so is an option that the command does not have, a missing value, too few or too many arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.vendor.tcl import TclError


@dataclass(frozen=True)
class Command:
    """`flags` stand alone, `values` take the next word, `equal` are written -name=value;
    `positional`: fewest and most other arguments."""

    flags: str = ""
    values: str = ""
    equal: str = ""
    positional: tuple[int, int] = (0, 0)


MANY = 1 << 20
COMMON = ("-quiet", "-verbose")  # of every Vivado command

HLS = {
    "add_files": Command("-tb -blackbox", "-cflags -csimflags", "", (1, MANY)),
    "close_project": Command(),
    "config_interface": Command(
        "", "", "-m_axi_addr64 -s_axilite_data64 -m_axi_max_widen_bitwidth"
    ),
    "create_clock": Command("", "-period -name", "", (0, 1)),
    "csim_design": Command("-O -clean -setup -profile", "-argv -ldflags -mflags"),
    "csynth_design": Command("-dump_cfg -dump_post_cfg -synthesis_check"),
    "export_design": Command(
        "",
        "-description -display_name -flow -format -ipname -library -output -rtl -vendor -version",
    ),
    "open_project": Command("-reset -upgrade", "", "", (1, 1)),
    "open_solution": Command("-reset", "-flow_target", "", (1, 1)),
    "set_part": Command("", "", "", (1, 1)),
    "set_top": Command("", "", "", (1, 1)),
}

# of the flow without a project
ENGINE = {
    "create_clock": Command("-add", "-period -name -waveform", "", (0, 1)),
    "get_ports": Command("-regexp -nocase", "-filter -of_objects", "", (1, MANY)),
    "opt_design": Command("-retarget -propconst -sweep -bram_power_opt", "-directive"),
    "phys_opt_design": Command("-fanout_opt -placement_opt -retime", "-directive"),
    "place_design": Command("-no_timing_driven -timing_summary -unplace", "-directive"),
    "read_verilog": Command("-sv", "-library", "", (1, MANY)),
    "read_xdc": Command("-no_add -unmanaged", "-mode -ref -cells -quiet_diff_pairs", "", (1, MANY)),
    "route_design": Command("-unroute -preserve -tns_cleanup", "-directive"),
    "synth_design": Command(
        "-rtl -no_lc -retiming -assert -no_timing_driven",
        "-top -part -mode -flatten_hierarchy -directive -generic -include_dirs",
    ),
}

_GET = Command("-regexp -nocase -hierarchical", "-filter -of_objects", "", (0, MANY))
VIVADO = {
    "add_files": Command(
        "-norecurse -force -scan_for_includes", "-fileset -of_objects -copy_to", "", (0, MANY)
    ),
    "apply_bd_automation": Command("", "-rule -config -dict -opts", "", (0, 1)),
    "assign_bd_address": Command(
        "-boundary -master_boundary -external -force",
        "-target_address_space -dict -import_from_file -export_to_file -offset -range -base_high",
        "", (0, MANY),
    ),
    "close_design": Command(),
    "close_project": Command("-delete"),
    "connect_bd_intf_net": Command("", "-intf_net -boundary_type", "", (1, 2)),
    "connect_bd_net": Command("", "-net -boundary_type", "", (1, MANY)),
    "create_bd_cell": Command("-revision", "-vlnv -type -reference", "", (1, 1)),
    "create_bd_design": Command("", "-dir -cell -bdsource", "", (1, 1)),
    "create_project": Command("-force -in_memory -ip -rtl_kernel", "-part", "", (0, 2)),
    "current_fileset": Command("-constrset -simset -blockset", "", "", (0, 1)),
    "current_project": Command("", "", "", (0, 1)),
    "generate_target": Command("-force", "", "", (2, 2)),
    "get_bd_addr_segs": Command(
        "-regexp -hierarchical -excluded -addressed -unaddressed -addressing -addressables",
        "-filter -of_objects", "", (0, 1),
    ),
    "get_bd_cells": _GET,
    "get_bd_intf_pins": _GET,
    "get_bd_pins": _GET,
    "get_files": Command("-regexp -nocase -all", "-compile_order -used_in -of_objects -filter",
                         "", (0, MANY)),
    "get_ipdefs": Command("-regexp -nocase -all", "-filter", "", (0, MANY)),
    "get_property": Command("-min -max", "", "", (2, 2)),
    "get_runs": Command("-regexp -nocase", "-filter", "", (0, MANY)),
    "launch_runs": Command(
        "-scripts_only -force -next_step", "-jobs -to_step -dir -host -pre_launch_script", "",
        (1, MANY),
    ),
    "make_wrapper": Command("-top -testbench -inst_template -import -force", "-fileset -files"),
    "open_run": Command("", "-name -pr_config", "", (1, 1)),
    "report_power": Command("-append -return_string", "-file -format -hier", "", (0, 0)),
    "report_timing_summary": Command(
        "-check_timing_verbose -no_detailed_paths -setup -hold -append -warn_on_violation",
        "-file -max_paths -nworst -delay_type -name",
    ),
    "report_utilization": Command(
        "-hierarchical -append -return_string -hierarchical_percentages",
        "-file -cells -pblocks -name -hierarchical_depth -format",
    ),
    "save_bd_design": Command("", "", "", (0, 1)),
    "set_property": Command("", "-dict -name -value -objects", "", (1, 3)),
    "update_compile_order": Command("-force_gui", "-fileset"),
    "update_ip_catalog": Command("-rebuild", "-add_ip -repo_path -update_ip", "", (0, 0)),
    "validate_bd_design": Command("-force", "-design"),
    "wait_on_run": Command("", "-timeout", "", (1, 1)),
    "write_hw_platform": Command(
        "-fixed -force -include_bit -include_sim_content -minimal -hw -hw_emu", "-rp -rm", "",
        (0, 1),
    ),
}  # fmt: skip


def parse(
    table: dict[str, Command], name: str, args: Sequence[str], common: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """(options with values, flags with "1"; the other arguments). Raises TclError."""
    command = table[name]
    options: dict[str, str] = {}
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if not word.startswith("-") or word[1:2].isdigit():
            rest.append(word)
            continue
        key, equal, value = word.partition("=")
        if equal and key in command.equal.split():
            options[key] = value
        elif word in command.values.split():
            value = next(words, None)
            if value is None:
                raise TclError(f"{name}: {word} needs a value")
            options[word] = value
        elif word in command.flags.split() or word in common:
            options[word] = "1"
        else:
            raise TclError(f"{name}: unknown option {word}")
    fewest, most = command.positional
    if not fewest <= len(rest) <= most:
        raise TclError(f"{name}: {len(rest)} arguments, not {fewest} to {most}: {' '.join(rest)}")
    return options, rest
