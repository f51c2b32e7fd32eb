"""A hash of a stage's code, by which Snakemake knows what to run again when the code changes."""

from functools import cache
from pathlib import Path
from types import CodeType

from tap2key.core.digests import digest

PACKAGE_ROOT = Path(__file__).parents[1]
PACKAGE = PACKAGE_ROOT.name


@cache
def code_hash(module: str) -> str:
    """A hash of what a module does: its bytecode and that of all tap2key modules it imports.

    Comments, docstrings, assertions and layout do not count, so editing them reruns nothing.
    """
    return digest({name: _read(name)[0] for name in _closure(module)})


def _source(module: str) -> Path | None:
    relative = Path(*module.split(".")[1:])
    for candidate in (
        PACKAGE_ROOT / relative.with_suffix(".py") if relative.name else None,
        PACKAGE_ROOT / relative / "__init__.py",
    ):
        if candidate is not None and candidate.is_file():
            return candidate
    return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's bytecode as text, and the package's modules that it imports.

    A job does this for all modules of its stage: compiling takes half the time of a syntax tree.
    """
    source = _source(module)
    if source is None:
        raise ModuleNotFoundError(module)
    parts: list[str] = []
    imported: list[str] = []
    code = compile(
        source.read_text(encoding="utf-8"), module, "exec", dont_inherit=True, optimize=2
    )
    _write(code, parts, imported)
    return "\n".join(parts), tuple(name for name in imported if _source(name) is not None)


def _write(code: CodeType, parts: list[str], imported: list[str]) -> None:
    """Append a code object without its lines to `parts`, and to `imported` what it may import."""
    parts += map(
        repr,
        (
            *(code.co_name, code.co_code, code.co_exceptiontable, code.co_flags),
            *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
            *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        ),
    )
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _write(constant, parts, imported)
        else:
            parts.append(_constant(constant))
    for name in code.co_names:
        # Only an import's name has dots.
        if name.split(".")[0] == PACKAGE:
            imported.append(name)
            if (_source(name) or Path()).name == "__init__.py":
                imported += [f"{name}.{member}" for member in code.co_names]


def _constant(value: object) -> str:
    """A constant as text; sets in the same order in every process."""
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value)


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += _read(name)[1]
    return found
