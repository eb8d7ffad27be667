"""A real Tcl interpreter for scripts whose commands are stood in for by Python.

Tcl comes with Python's tkinter; where that is missing, `tclsh` runs as a process and asks for the
result of every stood-in command over its pipes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

Handler = Callable[[str, Sequence[str]], str]  # (command, arguments) -> result; raises TclError

# `exit` must not end our interpreter; anything after it is not run
PRELUDE = """
proc exit {{code 0}} {return -level 0 -code error -errorcode [list HWGEN EXIT $code] exit}
"""
# tclsh only: a stood-in command sends itself in hexadecimal and waits for a line "0|1 hex"
PIPE = """
proc hwgen_call {args} {
    set words {}
    foreach a $args {lappend words x[binary encode hex [encoding convertto utf-8 $a]]}
    hwgen_puts [concat call $words]
    flush stdout
    gets stdin line
    set text [encoding convertfrom utf-8 [binary decode hex [string range [lindex $line 1] 1 end]]]
    if {[lindex $line 0]} {return -code error $text}
    return $text
}
rename puts hwgen_puts
proc puts {args} {
    if {[llength $args] == 1} {hwgen_call puts [lindex $args 0]} else {hwgen_puts {*}$args}
}
"""


class TclError(Exception):
    """The script stopped; the text is Tcl's message."""


def interpreters() -> list[str]:
    """What is here of tkinter and tclsh."""
    found = []
    try:
        import tkinter  # noqa: F401

        found.append("tkinter")
    except ImportError:
        pass
    return found + (["tclsh"] if shutil.which("tclsh") else [])


def run(
    script: Path,
    commands: Sequence[str],
    handler: Handler,
    environment: dict[str, str] | None = None,
    interpreter: str | None = None,
) -> list[str]:
    """Run a script file to its `exit` or end; returns what it printed.

    `commands` are those that the handler stands in for; any other that Tcl does not know is an
    error, as in the vendor's tool. `environment` replaces all variables HWGEN_*. Raises TclError.
    """
    kind = interpreter or interpreters()[0]
    runner = {"tkinter": _tkinter, "tclsh": _tclsh}[kind]
    return runner(script, commands, handler, environment or {})


def _result(handler: Handler, name: str, args: Sequence[str]) -> str:
    """What the stand-in answers; an argument that it did not foresee is an error of the script."""
    try:
        return handler(name, args)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise TclError(f"{name}: {' '.join(args)}: {error!r}") from error


def _tkinter(
    script: Path, commands: Sequence[str], handler: Handler, environment: dict[str, str]
) -> list[str]:
    import tkinter

    tcl = tkinter.Tcl()
    printed: list[str] = []
    failures: list[TclError] = []

    def stand_in(name: str) -> Callable[..., str]:
        def call(*args: str) -> str:
            try:
                return _result(handler, name, args)
            except TclError as error:
                failures.append(error)
                raise

        return call

    def puts(*args: str) -> None:
        printed.append(args[-1])

    tcl.eval(PRELUDE)
    tcl.createcommand("puts", puts)
    for name in commands:
        tcl.createcommand(name, stand_in(name))
    outer = {k: v for k, v in os.environ.items() if k.startswith("HWGEN_")}
    for key in outer:
        tcl.unsetvar(f"::env({key})")
    for key, value in environment.items():
        tcl.setvar(f"::env({key})", value)
    before = os.getcwd()
    try:
        tcl.call("source", str(script))
    except TclError:
        raise
    except tkinter.TclError as error:
        if failures:
            raise failures[-1] from None
        if tcl.eval("set ::errorCode") == "HWGEN EXIT 0":
            return printed
        raise TclError(str(error)) from None
    finally:  # Tcl's env is that of the process
        os.chdir(before)
        for key in environment:
            tcl.unsetvar(f"::env({key})")
        for key, value in outer.items():
            tcl.setvar(f"::env({key})", value)
    return printed


def _tclsh(
    script: Path, commands: Sequence[str], handler: Handler, environment: dict[str, str]
) -> list[str]:
    main = "rename exit hwgen_exit\n" + PRELUDE + PIPE
    for name in commands:
        main += f"proc {name} args {{hwgen_call {name} {{*}}$args}}\n"
    main += """
if {[catch {source [lindex $argv 0]} message options]
    && [dict get $options -errorcode] ne {HWGEN EXIT 0}} {
    hwgen_call hwgen_failed $message
}
hwgen_exit
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HWGEN_")}
    printed: list[str] = []
    failure: TclError | None = None
    with tempfile.NamedTemporaryFile("w", suffix=".tcl") as file:
        file.write(main)
        file.flush()
        process = subprocess.Popen(
            ["tclsh", file.name, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | environment,
        )
        try:
            for line in process.stdout:
                name, *args = (bytes.fromhex(word[1:]).decode() for word in line.split()[1:])
                code, text = 0, ""
                if name == "puts":
                    printed.append(args[0])
                elif name == "hwgen_failed":
                    failure = failure or TclError(args[0])
                else:
                    try:
                        text = _result(handler, name, args)
                    except TclError as error:
                        code, text, failure = 1, str(error), error
                process.stdin.write(f"{code} x{text.encode().hex()}\n")
                process.stdin.flush()
            process.wait()
        finally:
            process.kill()
            process.communicate()
    if failure:
        raise failure
    assert process.returncode == 0, "tclsh itself failed"
    return printed
