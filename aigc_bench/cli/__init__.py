"""Run the command line. Each command is a file of ``commands``, imported when used; only ``main`` prints errors.

Result on stdout, progress on stderr. Exit 0 ok, 1 error, 2 usage, 3 some cases failed, 4 regression, 130 interrupted, 141 the
reader of the output ended early (``| head``).
Only click is imported here: ``aigc-bench --help`` must not pay for importing tables, schemas or torch.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from aigc_bench.cli.help_texts import in_language
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import message, translated

COMMANDS = {
    "run": message("Measure this machine with a profile and write the report."),
    "show": message("Print the numbers of a run: one row per case and metric."),
    "compare": message("Compare runs with a base run, case by case."),
    "predict": message("Predict a case on an accelerator of the catalogue."),
    "validate": message("Score the performance model against a table of results."),
    "plan": message("Plan the purchase for a demand: what to buy or rent, requirements and cost."),
    "report": message("Write the HTML report of one or several runs."),
    "list": message("List workloads, profiles, engines, metrics, accelerators, prices ..."),
    "catalog": message("Keep your own rows of the catalogue: import price lists, add rows, check and compare them."),
    "doctor": message("Check what can be measured on this machine, with remedies."),
    "profiles": message("List, show and create profiles."),
}
"""Name of each command (and of its file) -> its one-line summary."""

EXIT_CASES_FAILED = 3
EXIT_REGRESSION = 4
# 128 + SIGINT, as a shell reports a program that Ctrl-C ended.
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141
"""Exit code of a program whose output's reader ended first: 128 + SIGPIPE."""


@contextlib.contextmanager
def _ended_by_reader() -> Iterator[None]:
    """Exit quietly if the output's reader has ended (``| head``); click itself would exit with code 1."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(EXIT_READER_GONE) from None


class _Commands(click.Group):
    """Load commands by name; ``--help`` prints their summaries without importing them."""

    def make_context(self, info_name: str | None, args: list[str], **extra: Any) -> click.Context:  # type: ignore[override]
        with _ended_by_reader():
            return super().make_context(info_name, args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _ended_by_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"aigc_bench.cli.commands.{cmd_name}").command
        # Translated when it is loaded: the language may differ from the one at import.
        return in_language(command)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(message("unknown command {name!r}. {nearest}", name=args[0], nearest=nearest(args[0], COMMANDS)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(translated(message("Commands"))):
            formatter.write_dl([(name, translated(summary)) for name, summary in COMMANDS.items()])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'report'?``, or all known names if none is similar."""
    # Imported here: only a mistake needs it, and ``--help`` must stay fast.
    import difflib

    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    return (
        message("Did you mean {near}?", near=" or ".join(near))
        if near
        else message("Known: {choices}.", choices=", ".join(choices))
    )


def _print_version(ctx: click.Context, _option: click.Parameter, is_requested: bool) -> None:
    if not is_requested:
        return
    from importlib.metadata import version

    say(f"aigc-bench {version('aigc-bench')}")
    ctx.exit()


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help=message("Print the version.")
)
@click.pass_context
def group(ctx: click.Context) -> None:
    """Benchmark generative-AI workloads on this machine, predict other accelerators, and plan purchases.

    \b
    aigc-bench run            measure this machine with a matching profile and write a report
    aigc-bench run --dry-run  list the cases and the expected time
    """
    if ctx.invoked_subcommand is None:
        say_document(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. Every user error is one line on stderr."""
    from aigc_bench.cli.streams import open_missing_streams, restart_in_utf8_mode, show_what_can_be_shown
    from aigc_bench.core.interrupts import terminated_as_interrupt

    # First: whatever is opened later must not get the number of a closed stream.
    open_missing_streams()
    # Only for the real command line: a program that calls ``main`` itself must not be replaced by a new process.
    if argv is None:
        restart_in_utf8_mode()
    show_what_can_be_shown((sys.stdout, sys.stderr))
    try:
        with terminated_as_interrupt():
            # Flushed here and not at exit, where the interpreter would print a traceback for a reader that has ended.
            return _flushed(_run(argv))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except MemoryError:  # too little memory is left for the usual error path
        os.write(2, b"error: memory is exhausted. Free some, or raise the limit: ulimit -v unlimited.\n")
        return 1


def _run(argv: Sequence[str] | None) -> int:
    """Run the command; turn an exception into an exit code and a line."""
    from aigc_bench.core.errors import options_are_flags

    mark = options_are_flags.set(True)
    try:
        # standalone_mode=False: click returns codes and raises its errors instead of printing and exiting by itself.
        with _warnings_as_notes():
            code = in_language(group).main(args=None if argv is None else list(argv), prog_name="aigc-bench", standalone_mode=False)
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as problem:
        return _fail(_in_one_line(problem), exit_code=problem.exit_code)
    except OSError as problem:
        return _refused(problem)
    except Exception as problem:
        return _explain(problem)
    finally:
        options_are_flags.reset(mark)
    # Commands without an exit code of their own return None.
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print a warning as one line on stderr: an assumption about a file (``FileWarning``) as a note, others with their class.

    A file may be read several times; its note is printed once.
    """
    import warnings

    from aigc_bench.core.errors import FileWarning

    printed: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_place: Any, **_more: Any) -> None:
        line = _note(str(message), category.__name__, is_about_file=issubclass(category, FileWarning))
        if line not in printed:
            printed.add(line)
            say(line, err=True)

    with warnings.catch_warnings():
        # "always", since Python shows a warning once a line of source; ``printed`` compares the texts instead.
        warnings.simplefilter("always", FileWarning)
        warnings.showwarning = show
        yield


def _note(text: str, category: str, *, is_about_file: bool) -> str:
    kind = message("note") if is_about_file else category
    return translated(message("{kind}: {words}", kind=kind, words=" ".join(translated(text).split())))


def _refused(problem: OSError) -> int:
    """Print an operating-system error in one line; an interrupt prints nothing."""
    from aigc_bench.core.system_errors import in_one_line

    # Cleaning up after Ctrl-C may fail on a file or a pipe that the interrupt closed.
    if isinstance(problem.__context__, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if os.environ.get("AIGC_BENCH_TRACEBACK"):
        raise problem
    return _fail(in_one_line(problem), exit_code=1)


def _flushed(code: int) -> int:
    """Return the exit code once all output is flushed or its reader has ended."""
    from aigc_bench.cli.streams import give_up_output

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = EXIT_READER_GONE
    except OSError as problem:
        # A full disk shows itself only now; an error that was reported already keeps its code.
        code = code or _refused(problem)
    if code == EXIT_READER_GONE:
        give_up_output()
    return code


def _in_one_line(problem: click.ClickException) -> str:
    """Return click's message with the nearest options, and the command whose help has the details."""
    if isinstance(problem, click.NoSuchOption) and problem.ctx is not None:
        options = [name for option in problem.ctx.command.get_params(problem.ctx) for name in option.opts if name.startswith("--")]
        return message(
            "unknown option {option_name!r} of {command_path!r}. {nearest}",
            option_name=problem.option_name,
            command_path=problem.ctx.command_path,
            nearest=nearest(problem.option_name, options),
        )
    has_choices = "Did you mean" in (english := problem.format_message()) or "Known:" in english  # before it is translated
    # click formats its message with the option's name around it, so the part inside is translated in place.
    vars(problem)["message"] = translated(problem.message)
    # One line, whatever click wraps.
    words = " ".join(problem.format_message().split()).rstrip(".")
    context = getattr(problem, "ctx", None)
    if context is None or has_choices:
        return words if words.endswith("?") else f"{words}."
    return message("{problem}. See `{command_path} --help`.", problem=words, command_path=context.command_path)


def _explain(problem: Exception) -> int:
    """Print an error of the product, or report an internal error."""
    from aigc_bench.core.errors import AigcBenchError
    from aigc_bench.core.system_errors import is_out_of_memory, out_of_memory_words

    if isinstance(problem, AigcBenchError):
        return _fail(*problem.translated_lines, exit_code=problem.exit_code)
    if os.environ.get("AIGC_BENCH_TRACEBACK"):
        raise problem
    # torch and the C++ library raise types of their own, no MemoryError.
    if is_out_of_memory(problem):
        return _fail(out_of_memory_words(), exit_code=1)
    where = message("Set AIGC_BENCH_TRACEBACK=1 to see where, and please report it.")
    words = " ".join(str(problem).split())
    return _fail(
        message(
            "this is a fault of aigc-bench: {type}: {problem}. {where}", type=type(problem).__name__, problem=words, where=where
        ),
        exit_code=1,
    )


def _fail(problem: str, *details: str, exit_code: int) -> int:
    with contextlib.suppress(OSError):  # a full disk below stdout, or a stderr that is closed, may be the error itself
        sys.stdout.flush()
    say(message("error: {problem}", problem=problem), *details, err=True)
    return exit_code
